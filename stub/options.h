/* The command line: what the user asked for, checked and explained. */
#ifndef STUB_OPTIONS_H
#define STUB_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "winstub/err.h"
#include "winstub/gva.h"
#include "winstub/stub.h"
#include "winstub/target.h"

/* Where the program stands when its debugger first sees it. */
enum option_stop {
    OPTION_STOP_ENTRY,
    OPTION_STOP_MAIN,
    OPTION_STOP_TLS,
    OPTION_STOP_LOADER,
    OPTION_STOP_NONE
};

enum option_mode {
    OPTION_SERVE, /* wait for gdb on a socket */
    OPTION_STDIO, /* one gdb on standard input and output */
    OPTION_RUN,   /* no debugger */
    OPTION_HELP,
    OPTION_VERSION,
};

struct options {
    enum option_mode mode;
    const char *listen; /* "[HOST:]PORT" */
    enum option_stop stop;
    const char *child; /* the name of the program whose process is debugged; NULL: FILE's */
    const char *file;
    char **argv; /* FILE and its arguments, NULL-terminated */
    size_t argc;
    const char **env; /* of --env; owned, options_fini */
    size_t env_count;
    const char **drives; /* of --drive: "X=DIR"; owned, options_fini */
    size_t drive_count;
    const char *cwd;      /* NULL: default */
    const char *registry; /* a .reg file; NULL: none */
    const char *root;     /* the folder with the DLLs; NULL: look in the usual places */
    bool bare;            /* no DLLs even if there are any */
    bool fast;            /* time of the host */
    bool raw;
    enum stub_map map;
    enum stub_persona persona;
    const char **disabled; /* of --disable-packet; owned, options_fini */
    size_t disabled_count;
    enum target_arch arch;
    gva_t base;
    gva_t entry;
};

/*
 * Parse the command line and switch on --log channels. Strings point into argv.
 * ERR_INVALID with why: the sentence names the option, what was wrong and what is expected. ERR_NOMEM.
 */
MUST_USE enum err options_parse(int argc, char **argv, struct options *out, struct diag *why);
void options_fini(struct options *options);

/* The text of --help: fits a screen of 24 lines and 100 columns. */
const char *options_help(void);

#endif
