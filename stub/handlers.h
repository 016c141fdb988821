/* The handlers that the packet table names, by the file that holds them. */
#ifndef STUB_HANDLERS_H
#define STUB_HANDLERS_H

#include "packets.h"

#define HANDLER(name) enum verdict name(struct stub *s, struct rsp_reader *in, struct reply *out)

/* cmd_session.c */
HANDLER(cmd_supported);
HANDLER(cmd_start_no_ack);
HANDLER(cmd_attached);
HANDLER(cmd_detach);
HANDLER(cmd_detach_pid);
HANDLER(cmd_detach_stopped);
HANDLER(cmd_kill);
HANDLER(cmd_vkill);

/* cmd_launch.c */
HANDLER(cmd_extended);
HANDLER(cmd_run_program);
HANDLER(cmd_restart);
HANDLER(cmd_attach);
HANDLER(cmd_environment_set);
HANDLER(cmd_environment_unset);
HANDLER(cmd_environment_reset);
HANDLER(cmd_working_dir);
HANDLER(cmd_startup_shell);
HANDLER(cmd_randomization);

/* cmd_reg.c */
HANDLER(cmd_regs_read);
HANDLER(cmd_regs_write);
HANDLER(cmd_reg_read);
HANDLER(cmd_reg_write);

/* cmd_mem.c */
HANDLER(cmd_mem_read);
HANDLER(cmd_mem_read_binary);
HANDLER(cmd_mem_write_hex);
HANDLER(cmd_mem_write_binary);

/* cmd_search.c */
HANDLER(cmd_search);
HANDLER(cmd_crc);

/* cmd_run.c */
HANDLER(cmd_why);
HANDLER(cmd_continue);
HANDLER(cmd_continue_signal);
HANDLER(cmd_step);
HANDLER(cmd_step_signal);
HANDLER(cmd_pass_signals);
HANDLER(cmd_vcont_ask);
HANDLER(cmd_vcont);

/* cmd_break.c */
HANDLER(cmd_point_set);
HANDLER(cmd_point_clear);

/* cmd_thread.c */
HANDLER(cmd_current_thread);
HANDLER(cmd_select_thread);
HANDLER(cmd_thread_alive);
HANDLER(cmd_threads_first);
HANDLER(cmd_threads_next);
HANDLER(cmd_thread_events);
HANDLER(cmd_thread_extra);

/* cmd_query.c */
HANDLER(cmd_offsets);
HANDLER(cmd_tib);

/* cmd_lldb.c */
HANDLER(cmd_host_info);
HANDLER(cmd_process_info);
HANDLER(cmd_load_address);
HANDLER(cmd_module_info);
HANDLER(cmd_region_info);
HANDLER(cmd_server_version);
HANDLER(cmd_error_strings);
HANDLER(cmd_detach_on_error);
HANDLER(cmd_can_stay_stopped);
HANDLER(cmd_can_attach_by_name);
HANDLER(cmd_attach_name);
HANDLER(cmd_watchpoint_info);
HANDLER(cmd_allocate);
HANDLER(cmd_deallocate);

/* cmd_lldb_threads.c */
HANDLER(cmd_thread_suffix);
HANDLER(cmd_list_threads);
HANDLER(cmd_threads_info);
HANDLER(cmd_thread_stop_info);
HANDLER(cmd_save_registers);
HANDLER(cmd_restore_registers);

/* cmd_xfer.c */
HANDLER(xfer_features);
HANDLER(xfer_threads);
HANDLER(xfer_libraries);
HANDLER(xfer_libraries_svr4);
HANDLER(xfer_auxv);
HANDLER(xfer_exec_file);
HANDLER(xfer_memory_map);
HANDLER(xfer_siginfo);
HANDLER(xfer_osdata);

/* cmd_vfile.c */
HANDLER(cmd_vfile_setfs);
HANDLER(cmd_vfile_open);
HANDLER(cmd_vfile_close);
HANDLER(cmd_vfile_pread);
HANDLER(cmd_vfile_pwrite);
HANDLER(cmd_vfile_fstat);
HANDLER(cmd_vfile_stat);
HANDLER(cmd_vfile_readlink);
HANDLER(cmd_vfile_unlink);

/* cmd_monitor.c */
HANDLER(cmd_monitor);
/* The first word of monitor command i; NULL behind the last one. */
const char *monitor_name(size_t i);

#endif
