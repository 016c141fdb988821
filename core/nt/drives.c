/* Drives and the folders behind them; the contract is in drives.h. */
#include "nt/drives.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_DRIVE 'C'

static char letter_of(const char *drive)
{
    return (char)toupper((unsigned char)*drive);
}

/* What stands behind "X="; "" when the text is not of that form. */
static const char *folder_of(const char *drive)
{
    return *drive && drive[1] == '=' ? drive + 2 : "";
}

static bool is_taken(const struct process_options *options, char letter)
{
    for (size_t i = 0; i < options->drive_count; i++) {
        if (letter_of(options->drives[i]) == letter)
            return true;
    }
    return false;
}

/* The letter for the program's own folder; 0: there is none left. */
static char own_letter(const struct process_options *options)
{
    for (char letter = SYSTEM_DRIVE; letter <= 'Z'; letter++) {
        if (!is_taken(options, letter))
            return letter;
    }
    return 0;
}

/* What of file lies below folder, both absolute; NULL: nothing. */
static const char *below(const char *file, const char *folder)
{
    size_t len = strlen(folder);

    if (strcmp(folder, "/") == 0)
        return file + 1;
    return strncmp(file, folder, len) == 0 && file[len] == '/' ? file + len + 1 : NULL;
}

/* The drive that holds the program, and its path there in guest form; NULL: none does. */
static char *path_on_drive(const struct process_options *options, const char *program)
{
    char *path = NULL;

    for (size_t i = 0; i < options->drive_count && !path; i++) {
        char *folder = realpath(folder_of(options->drives[i]), NULL);
        const char *rest = folder ? below(program, folder) : NULL;

        if (rest && !strchr(rest, '\\') &&
            asprintf(&path, "%c:\\%s", letter_of(options->drives[i]), rest) < 0)
            path = NULL;
        free(folder);
    }
    for (char *c = path; c && *c; c++) {
        if (*c == '/')
            *c = '\\';
    }
    return path;
}

/* The same, from the program's path as it was given. */
static char *find_program(const struct process_options *options)
{
    char *program = options->drive_count ? realpath(options->path, NULL) : NULL;
    char *path = program ? path_on_drive(options, program) : NULL;

    free(program);
    return path;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

enum err drives_program(const struct process_options *options, char **out, struct diag *why)
{
    char letter = own_letter(options);

    *out = find_program(options);
    if (*out)
        return ERR_OK;
    if (!letter)
        return diag_set(why, ERR_LIMIT, "no drive letter is left for the program's folder");
    if (asprintf(out, "%c:\\%s", letter, file_name(options->path)) < 0) {
        *out = NULL;
        return diag_set(why, ERR_NOMEM, "the host is out of memory");
    }
    return ERR_OK;
}

static enum err add_drive(struct volumes *volumes, char letter, const char *folder, bool writable,
                          struct diag *why)
{
    char name[3] = {(char)toupper((unsigned char)letter), ':', 0};
    int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        return diag_set(why, ERR_INVALID, "drive %s is to be %s: %s", name, folder,
                        strerror(errno));
    if (volumes_add(volumes, name, fd, writable))
        return diag_set(why, ERR_NOMEM, "the host is out of memory");
    return ERR_OK;
}

/* The folder that the program lies in, read-only. */
static enum err add_own(const struct process_options *options, struct volumes *volumes,
                        struct diag *why)
{
    size_t len = (size_t)(file_name(options->path) - options->path);
    char *folder = len ? strndup(options->path, len) : strdup(".");
    enum err e = folder ? add_drive(volumes, own_letter(options), folder, false, why)
                        : diag_set(why, ERR_NOMEM, "the host is out of memory");

    free(folder);
    return e;
}

enum err drives_open(const struct process_options *options, struct volumes *volumes,
                     struct diag *why)
{
    char *inside = find_program(options);
    enum err e = ERR_OK;

    for (size_t i = 0; i < options->drive_count && !e; i++) {
        const char *drive = options->drives[i];

        if (!isalpha((unsigned char)*drive) || !*folder_of(drive))
            e = diag_set(why, ERR_INVALID, "drive '%s': not of the form X=FOLDER", drive);
        else
            e = add_drive(volumes, *drive, folder_of(drive), true, why);
    }
    if (!e && !inside)
        e = add_own(options, volumes, why);
    free(inside);
    return e;
}
