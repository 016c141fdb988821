/*
 * The target made of nothing, on a port of the machine's choice, for real clients: what they send to it is recorded
 * in the transcripts (tests/gdb/test_recorded.py). Serves one client after the other until the guest is over.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake_target.h"
#include "serve.h"
#include "winstub/stub.h"

static int fail(const char *what)
{
    (void)fprintf(stderr, "serve_fake: %s\n", what);
    return EXIT_FAILURE;
}

int main(void)
{
    struct fake_target *f = fake_target_new(TARGET_AMD64);
    struct target target = fake_target_ref(f);
    struct net_listener listener;
    struct target_stop last;
    struct diag why = {{0}};
    struct stub *stub;
    enum err e;

    (void)signal(SIGPIPE, SIG_IGN);
    fake_target_scene(f);
    if (stub_new(&target, &stub))
        return fail("out of memory");
    stub_set_launcher(stub, fake_launch, f);
    if (net_listen("0", &listener, &why))
        return fail(why.text);
    (void)fprintf(stderr, "serve_fake: waiting for gdb on 127.0.0.1:%u\n", listener.port);
    e = serve(stub, &target, &listener, false, &last);
    net_close(listener.fd);
    stub_free(stub);
    fake_target_free(f);
    return e ? fail(err_text(e)) : EXIT_SUCCESS;
}
