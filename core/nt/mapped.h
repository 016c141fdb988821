/*
 * Files whose bytes are mapped. All sections of data of one file show the same pages, as NT's control areas have it, and
 * who reads or writes the file otherwise meets what views hold. Which sections there are is sections.h's matter.
 */
#ifndef CORE_NT_MAPPED_H
#define CORE_NT_MAPPED_H

#include "nt/files.h"
#include "winstub/section.h"

/*
 * A reference to the section that shows all of a regular file, made when there is none. config: what is asked for, without
 * the file, which is checked as vm_section_check does; *size: the bytes of it that may be seen. file_size: bytes that the
 * file has now. vm_section_check's statuses, STATUS_NO_MEMORY; STATUS_IN_PAGE_ERROR  the host has no descriptor left.
 */
MUST_USE nt_status mapped_open(struct vm *vm, const struct file *file, uint64_t file_size,
                               const struct vm_section_config *config, uint64_t *size,
                               struct vm_section **out);

/*
 * Bytes [offset, offset + size) of a file are about to be read or written otherwise; they were written. Nothing happens for
 * a file that nobody has mapped. vm_section_write_back's and vm_section_reread's statuses.
 */
MUST_USE nt_status mapped_about_to_use(const struct file *file, uint64_t offset, uint64_t size);
MUST_USE nt_status mapped_was_written(const struct file *file, uint64_t offset, uint64_t size);

/* May the file be cut to that size? Not while a section or a view shows more of it. */
bool mapped_may_be_cut(const struct file *file, uint64_t size);

/* The list of mapped files goes; those that views still show live on. */
void mapped_forget(struct volumes *volumes);

#endif
