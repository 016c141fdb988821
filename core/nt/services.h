/*
 * System services: the table of those that winstub has, and a call of one of them while it is served.
 *
 * The table says what each argument is. From that follow the bits of a register or stack slot that count (the rest is
 * garbage) and which pointers are checked before the service begins; the letters are in services.c.
 */
#ifndef CORE_NT_SERVICES_H
#define CORE_NT_SERVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nt/guest.h"
#include "nt/kernel.h"
#include "nt/parts.h"
#include "winstub/nt.h"

#define SERVICE_ARGS_MAX 17

/* What becomes of the caller. */
enum call_end {
    CALL_RETURNS,   /* with the status in eax */
    CALL_CONTINUES, /* the service has set every register */
    CALL_AGAIN,     /* nothing has happened yet: the caller tries again */
    CALL_WAITS,     /* the calling thread waits; its status comes by threads_answer */
    CALL_RETRIES,   /* the calling thread waits, and then makes the call again */
    CALL_GONE,      /* the calling thread has ended */
    CALL_ENDS,      /* the process is over */
    CALL_RAISES,    /* exception is to be dispatched; every register is set */
};

struct call {
    struct process *process;
    struct kernel *kernel;
    struct thread *thread; /* the caller */
    uint64_t arg[SERVICE_ARGS_MAX];
    enum call_end end;
    uint32_t exit_code;                 /* CALL_ENDS */
    struct process_exception exception; /* CALL_RAISES */
};

typedef nt_status service_fn(struct call *call);

struct service {
    const char *name;
    const char *args; /* one letter for each, spaces between; '?' before one that may be NULL */
    service_fn *serve;
};

/* The service of that name; NULL when there is none. */
const struct service *service_find(const char *name);

/* PROCESS_* rights of winnt.h. */
enum {
    PROCESS_RIGHT_TERMINATE = 0x0001,
    PROCESS_RIGHT_CREATE_THREAD = 0x0002,
    PROCESS_RIGHT_VM_OPERATION = 0x0008,
    PROCESS_RIGHT_VM_READ = 0x0010,
    PROCESS_RIGHT_VM_WRITE = 0x0020,
    PROCESS_RIGHT_DUPLICATE = 0x0040,
    PROCESS_RIGHT_CREATE_PROCESS = 0x0080,
    PROCESS_RIGHT_SET = 0x0200,
    PROCESS_RIGHT_QUERY = 0x0400,
    PROCESS_RIGHT_SUSPEND = 0x0800,
    PROCESS_RIGHT_QUERY_LIMITED = 0x1000,
    PROCESS_RIGHT_SET_LIMITED = 0x2000,
};

/*
 * The process that a service is to act on: the caller's own for the pseudo handle, else that behind a handle with those
 * rights. What the caller points to stays the caller's. As handles_use; STATUS_PROCESS_IS_TERMINATING: it has ended.
 */
MUST_USE nt_status service_process(const struct call *call, uint64_t handle, uint32_t access,
                                   struct process **out);
/* The object behind a handle or a pseudo handle of process or thread; otherwise as handles_use. */
MUST_USE nt_status service_object(const struct call *call, uint64_t handle,
                                  const struct object_class *class, uint32_t access,
                                  struct object **out);
MUST_USE nt_status service_thread(const struct call *call, uint64_t handle, uint32_t access,
                                  struct thread **out);

/* A CLIENT_ID, whose parts may be 0; the two lowest bits of numbers do not count. */
struct client_id {
    uint32_t process, thread;
};
/*
 * What a service opens whose arg 2 are OBJECT_ATTRIBUTES without a name and arg 3 the guest address of a CLIENT_ID; flags are those
 * that the handle gets. STATUS_INVALID_PARAMETER_MIX: there is a name, or no CLIENT_ID; STATUS_ACCESS_VIOLATION
 */
MUST_USE nt_status service_client_id(const struct call *call, struct client_id *id,
                                     uint32_t *flags);
/* End the process: the caller's when the service is over, another at once. */
void service_end(struct call *call, struct process *p, uint32_t exit_code);

/* May a process of that width ask for so many zero bits, or for that mask? STATUS_INVALID_PARAMETER_3: A24, A26. */
MUST_USE nt_status service_zero_bits(const struct call *call, uint64_t zero_bits);

/*
 * What count MEM_EXTENDED_PARAMETERs say of where memory is to be (A51, A52, A54): lowest, highest, alignment.
 * STATUS_INVALID_PARAMETER, STATUS_ACCESS_VIOLATION
 */
MUST_USE nt_status service_parameters(struct call *call, gva_t at, uint32_t count,
                                      struct vm_request *req);

/* Give a fresh object, or an old one, a handle at guest address out, with those of the flags that a handle has. */
MUST_USE nt_status service_add(struct call *call, gva_t out, struct object *object, uint32_t access,
                               uint32_t flags);
/* The flags of OBJECT_ATTRIBUTES at a guest address; 0: none are there. */
MUST_USE nt_status service_flags(const struct call *call, gva_t at, uint32_t *flags);
/*
 * NtCreate* of a fresh object, NULL when there was no memory for it: arg 0 handle, 1 access, 2 OBJECT_ATTRIBUTES. An object of that
 * name takes its place when the attributes allow it. The reference to the fresh one is used up.
 */
MUST_USE nt_status service_create(struct call *call, struct object *fresh);
/* NtOpen*, with the same arguments. */
MUST_USE nt_status service_open(struct call *call, const struct object_class *class);

/* A query whose arguments are handle, class, buffer, length, needed: query fills the answer. */
MUST_USE nt_status service_query(struct call *call,
                                 nt_status (*query)(struct call *call, struct nt_block *out));
/* Append a number of `size` bytes to an answer. */
void service_put(struct nt_block *out, uint32_t size, uint64_t value);
/* Append a UNICODE_STRING and behind it its text with a NUL, as they stand in an answer that goes to guest address `at`. */
void service_put_string(struct nt_block *out, gva_t at, const struct buf *utf16);
/* The same for "C:\\..." as the device has it, which is no matter of drives. */
void service_put_device_path(struct nt_block *out, gva_t at, const char *path);

/* Wait: the status, or CALL_WAITS. */
MUST_USE nt_status service_wait(struct call *call, const struct wait *wait);

/* SECTION_IMAGE_INFORMATION of a process's program, appended to an answer. */
void service_put_image(struct nt_block *out, const struct process *p);

/* The text of a UNICODE_STRING as UTF-8; *out is malloc'd. STATUS_OBJECT_NAME_INVALID: there is a NUL in it. */
MUST_USE nt_status service_text(struct process *p, gva_t at, char **out);
/* The same for a text of so many bytes; STATUS_INVALID_PARAMETER: an odd number, or more than a UNICODE_STRING has. */
MUST_USE nt_status service_text_at(struct process *p, gva_t text, uint64_t bytes, char **out);

/* OBJECT_ATTRIBUTES. */
struct attributes {
    uint64_t root; /* handle of the folder or key that the name starts from; 0: none */
    uint32_t flags;
    char *name; /* UTF-8, "" for none; freed by attributes_fini */
};
/* After a failure there is nothing to free. */
MUST_USE nt_status attributes_read(struct process *p, gva_t at, struct attributes *out);
void attributes_fini(struct attributes *attributes);

/* Would Windows' kernelbase have refused this release of `size` bytes, which Wine's hands on? */
bool wine_hands_on_release(const struct call *call, uint64_t size, uint32_t type);
/* NtQueryVirtualMemory's answer to a DLL of Wine's that asks for its Unix part. */
MUST_USE nt_status wine_unix_handle(struct call *call);

/* The services, by family. */
#define SERVICES_MEMORY(S)                                                                         \
    S(NtAllocateVirtualMemory, "h P p P d d")                                                      \
    S(NtAllocateVirtualMemoryEx, "h P P d d p d")                                                  \
    S(NtFreeVirtualMemory, "h P P d")                                                              \
    S(NtProtectVirtualMemory, "h P P d D")                                                         \
    S(NtQueryVirtualMemory, "h p d p p ?P")                                                        \
    S(NtReadVirtualMemory, "h p p p ?P")                                                           \
    S(NtWriteVirtualMemory, "h p p p ?P")                                                          \
    S(NtLockVirtualMemory, "h P P d")                                                              \
    S(NtUnlockVirtualMemory, "h P P d")                                                            \
    S(NtFlushInstructionCache, "h p p")                                                            \
    S(NtGetWriteWatch, "h d p p p P D")                                                            \
    S(NtResetWriteWatch, "h p p")                                                                  \
    S(NtSetInformationVirtualMemory, "h d p p p d")
#define SERVICES_SECTION(S)                                                                        \
    S(NtCreateSection, "P d ?A ?R d d h")                                                          \
    S(NtOpenSection, "P d A")                                                                      \
    S(NtQuerySection, "h d p p ?P")                                                                \
    S(NtMapViewOfSection, "h h P p p ?R P d d d")                                                  \
    S(NtMapViewOfSectionEx, "h h P ?R P d d p d")                                                  \
    S(NtUnmapViewOfSection, "h p")                                                                 \
    S(NtUnmapViewOfSectionEx, "h p d")                                                             \
    S(NtAreMappedFilesTheSame, "p p")                                                              \
    S(NtFlushVirtualMemory, "h P P I")                                                             \
    S(NtInitializeNlsFiles, "P D ?R")                                                              \
    S(NtGetNlsSectionPtr, "d d p P P")
#define SERVICES_FILE(S)                                                                           \
    S(NtOpenFile, "P d A I d d")                                                                   \
    S(NtCreateFile, "P d A I ?R d d d d p d")                                                      \
    S(NtCreateNamedPipeFile, "P d A I d d d d d d d d d ?R")                                       \
    S(NtDeleteFile, "A")                                                                           \
    S(NtReadFile, "h h p p I p d ?R ?D")                                                           \
    S(NtWriteFile, "h h p p I p d ?R ?D")                                                          \
    S(NtFlushBuffersFile, "h I")                                                                   \
    S(NtFlushBuffersFileEx, "h d p d I")                                                           \
    S(NtLockFile, "h h p p ?I R R d b b")                                                          \
    S(NtUnlockFile, "h ?I R R d")                                                                  \
    S(NtCancelIoFile, "h I")                                                                       \
    S(NtCancelIoFileEx, "h p I")                                                                   \
    S(NtCancelSynchronousIoFile, "h p I")                                                          \
    S(NtQueryVolumeInformationFile, "h I p d d")                                                   \
    S(NtSetVolumeInformationFile, "h I p d d")                                                     \
    S(NtQueryInformationFile, "h I p d d")                                                         \
    S(NtSetInformationFile, "h I p d d")                                                           \
    S(NtQueryDirectoryFile, "h h p p I p d d b ?S b")                                              \
    S(NtNotifyChangeDirectoryFile, "h h p p I p d d b")                                            \
    S(NtQueryEaFile, "h I p d b p d p b")                                                          \
    S(NtSetEaFile, "h I p d")                                                                      \
    S(NtQueryAttributesFile, "A p")                                                                \
    S(NtQueryFullAttributesFile, "A p")                                                            \
    S(NtFsControlFile, "h h p p I d p d p d")                                                      \
    S(NtDeviceIoControlFile, "h h p p I d p d p d")
#define SERVICES_REGISTRY(S)                                                                       \
    S(NtCreateKey, "P d A d ?S d ?D")                                                              \
    S(NtOpenKey, "P d A")                                                                          \
    S(NtOpenKeyEx, "P d A d")                                                                      \
    S(NtQueryValueKey, "h S d p d D")                                                              \
    S(NtSetValueKey, "h S d d p d")                                                                \
    S(NtDeleteValueKey, "h S")                                                                     \
    S(NtDeleteKey, "h")                                                                            \
    S(NtFlushKey, "h")                                                                             \
    S(NtEnumerateKey, "h d d p d D")                                                               \
    S(NtEnumerateValueKey, "h d d p d D")                                                          \
    S(NtQueryKey, "h d p d D")
#define SERVICES_OBJECT(S)                                                                         \
    S(NtClose, "h")                                                                                \
    S(NtDuplicateObject, "h h h ?P d d d")                                                         \
    S(NtQueryObject, "h d p d ?D")                                                                 \
    S(NtSetInformationObject, "h d p d")                                                           \
    S(NtOpenDirectoryObject, "P d A")                                                              \
    S(NtCreateDirectoryObject, "P d ?A")
#define SERVICES_THREAD(S)                                                                         \
    S(NtCreateThreadEx, "P d ?A h p p d p p p p")                                                  \
    S(NtTerminateThread, "h d")                                                                    \
    S(NtOpenThread, "P d A p")                                                                     \
    S(NtGetNextThread, "h h d d d P")                                                              \
    S(NtSuspendThread, "h ?D")                                                                     \
    S(NtResumeThread, "h ?D")                                                                      \
    S(NtAlertThread, "h")                                                                          \
    S(NtAlertResumeThread, "h ?D")                                                                 \
    S(NtTestAlert, "")                                                                             \
    S(NtQueueApcThread, "h p p p p")                                                               \
    S(NtQueueApcThreadEx, "h p p p p p")                                                           \
    S(NtGetContextThread, "h p")                                                                   \
    S(NtSetContextThread, "h p")                                                                   \
    S(NtQueryInformationThread, "h d p d ?D")                                                      \
    S(NtSetInformationThread, "h d p d")                                                           \
    S(NtGetCurrentProcessorNumber, "")
#define SERVICES_WAIT(S)                                                                           \
    S(NtWaitForSingleObject, "h b ?R")                                                             \
    S(NtWaitForMultipleObjects, "d p d b ?R")                                                      \
    S(NtSignalAndWaitForSingleObject, "h h b ?R")                                                  \
    S(NtDelayExecution, "b ?R")                                                                    \
    S(NtYieldExecution, "")                                                                        \
    S(NtWaitForAlertByThreadId, "p ?R")                                                            \
    S(NtAlertThreadByThreadId, "h")                                                                \
    S(NtCreateKeyedEvent, "P d ?A d")                                                              \
    S(NtOpenKeyedEvent, "P d A")                                                                   \
    S(NtWaitForKeyedEvent, "h p b ?R")                                                             \
    S(NtReleaseKeyedEvent, "h p b ?R")
#define SERVICES_SYNC(S)                                                                           \
    S(NtCreateEvent, "P d ?A d b")                                                                 \
    S(NtOpenEvent, "P d A")                                                                        \
    S(NtSetEvent, "h ?D")                                                                          \
    S(NtResetEvent, "h ?D")                                                                        \
    S(NtClearEvent, "h")                                                                           \
    S(NtPulseEvent, "h ?D")                                                                        \
    S(NtQueryEvent, "h d p d ?D")                                                                  \
    S(NtCreateMutant, "P d ?A b")                                                                  \
    S(NtOpenMutant, "P d A")                                                                       \
    S(NtReleaseMutant, "h ?D")                                                                     \
    S(NtQueryMutant, "h d p d ?D")                                                                 \
    S(NtCreateSemaphore, "P d ?A d d")                                                             \
    S(NtOpenSemaphore, "P d A")                                                                    \
    S(NtReleaseSemaphore, "h d ?D")                                                                \
    S(NtQuerySemaphore, "h d p d ?D")                                                              \
    S(NtCreateTimer, "P d ?A d")                                                                   \
    S(NtOpenTimer, "P d A")                                                                        \
    S(NtSetTimer, "h R p p b d ?B")                                                                \
    S(NtCancelTimer, "h ?B")                                                                       \
    S(NtQueryTimer, "h d p d ?D")
#define SERVICES_PORT(S)                                                                           \
    S(NtCreateIoCompletion, "P d ?A d")                                                            \
    S(NtOpenIoCompletion, "P d A")                                                                 \
    S(NtSetIoCompletion, "h p p d p")                                                              \
    S(NtSetIoCompletionEx, "h h p p d p")                                                          \
    S(NtRemoveIoCompletion, "h P P I ?R")                                                          \
    S(NtRemoveIoCompletionEx, "h p d D ?R b")                                                      \
    S(NtQueryIoCompletion, "h d p d ?D")
#define SERVICES_PROCESS(S)                                                                        \
    S(NtCreateUserProcess, "P P d d ?A ?A d d p p p")                                              \
    S(NtQueryInformationProcess, "h d p d ?D")                                                     \
    S(NtSetInformationProcess, "h d p d")                                                          \
    S(NtOpenProcess, "P d A p")                                                                    \
    S(NtGetNextProcess, "h d d d P")                                                               \
    S(NtSuspendProcess, "h")                                                                       \
    S(NtResumeProcess, "h")                                                                        \
    S(NtCreateDebugObject, "P d ?A d")                                                             \
    S(NtDebugActiveProcess, "h h")                                                                 \
    S(NtRemoveProcessDebug, "h h")                                                                 \
    S(NtFlushProcessWriteBuffers, "")                                                              \
    S(NtTerminateProcess, "h d")                                                                   \
    S(NtOpenProcessToken, "h d P")                                                                 \
    S(NtOpenProcessTokenEx, "h d d P")                                                             \
    S(NtOpenThreadToken, "h d b P")                                                                \
    S(NtOpenThreadTokenEx, "h d b d P")                                                            \
    S(NtAdjustPrivilegesToken, "h b p d p ?D")                                                     \
    S(NtQueryInformationToken, "h d p d D")
#define SERVICES_SYSTEM(S)                                                                         \
    S(NtQuerySystemInformation, "d p d ?D")                                                        \
    S(NtQuerySystemTime, "W")                                                                      \
    S(NtQueryPerformanceCounter, "W ?W")                                                           \
    S(NtQueryDefaultLocale, "b D")                                                                 \
    S(NtQueryDefaultUILanguage, "p")                                                               \
    S(NtQueryInstallUILanguage, "p")                                                               \
    S(NtQueryTimerResolution, "D D D")                                                             \
    S(NtSetTimerResolution, "d b D")
#define SERVICES_EXCEPTION(S)                                                                      \
    S(NtContinue, "p b")                                                                           \
    S(NtContinueEx, "p p")                                                                         \
    S(NtRaiseException, "p p b")
#define SERVICES_WINE(S)                                                                           \
    S(__wine_dbg_write, "p d")                                                                     \
    S(__wine_unix_call, "q d p")

#define SERVICES(S)                                                                                \
    SERVICES_MEMORY(S)                                                                             \
    SERVICES_SECTION(S)                                                                            \
    SERVICES_FILE(S)                                                                               \
    SERVICES_REGISTRY(S)                                                                           \
    SERVICES_OBJECT(S)                                                                             \
    SERVICES_THREAD(S)                                                                             \
    SERVICES_WAIT(S)                                                                               \
    SERVICES_SYNC(S)                                                                               \
    SERVICES_PORT(S)                                                                               \
    SERVICES_PROCESS(S)                                                                            \
    SERVICES_SYSTEM(S)                                                                             \
    SERVICES_EXCEPTION(S)                                                                          \
    SERVICES_WINE(S)

#define SERVICE_DECLARE(name, args) service_fn serve_##name;
SERVICES(SERVICE_DECLARE)
#undef SERVICE_DECLARE

#endif
