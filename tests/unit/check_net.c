/* Sockets: where we listen, what is refused, how bytes and ends of streams arrive. Loopback only. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "suite.h"
#include "net.h"

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static struct net_listener listener;
static struct diag why;

static void teardown(void)
{
    net_close(listener.fd);
}

/* A client connected to the listener. */
static int connect_client(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)listener.port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

START_TEST(port_zero_picks_one_on_loopback)
{
    ck_assert_int_eq(net_listen("0", &listener, &why), ERR_OK);
    ck_assert_uint_ne(listener.port, 0);
    ck_assert_str_eq(listener.host, "127.0.0.1");
    ck_assert(listener.loopback);
}
END_TEST

START_TEST(empty_host_means_loopback)
{
    ck_assert_int_eq(net_listen(":0", &listener, &why), ERR_OK);
    ck_assert_str_eq(listener.host, "127.0.0.1");
}
END_TEST

START_TEST(other_hosts_are_not_loopback)
{
    ck_assert_int_eq(net_listen("0.0.0.0:0", &listener, &why), ERR_OK);
    ck_assert(!listener.loopback);
}
END_TEST

static const char *const bad_specs[] = {
    "", ":", "x", "12x", "70000", "-1", "host:", "1:2:x", "99999999999999999999"};

START_TEST(bad_places_are_refused_by_name)
{
    ck_assert_int_eq(net_listen(bad_specs[_i], &listener, &why), ERR_FORMAT);
    ck_assert_int_eq(listener.fd, -1);
    ck_assert_ptr_nonnull(strstr(why.text, bad_specs[_i]));
}
END_TEST

START_TEST(a_taken_port_says_what_to_do)
{
    struct net_listener second;
    char spec[16];

    ck_assert_int_eq(net_listen("0", &listener, &why), ERR_OK);
    (void)snprintf(spec, sizeof spec, "%u", listener.port);
    ck_assert_int_eq(net_listen(spec, &second, &why), ERR_EXISTS);
    ck_assert_ptr_nonnull(strstr(why.text, "--gdb"));
}
END_TEST

START_TEST(bytes_arrive_and_the_end_of_the_stream_is_seen)
{
    char data[8];
    int client, server;

    ck_assert_int_eq(net_listen("0", &listener, &why), ERR_OK);
    client = connect_client();
    server = net_accept(&listener);
    ck_assert_int_ge(server, 0);
    ck_assert(!net_readable(server));
    ck_assert(net_send(client, "hello", 5));
    ck_assert_uint_eq(net_wait(server, -1), 1);
    ck_assert_uint_eq(net_receive(server, data, sizeof data), 5);
    ck_assert(memcmp(data, "hello", 5) == 0);
    net_close(client);
    ck_assert_uint_eq(net_wait(server, listener.fd), 1);
    ck_assert_uint_eq(net_receive(server, data, sizeof data), 0);
    net_close(server);
}
END_TEST

START_TEST(what_is_there_already_is_received_without_waiting)
{
    int client, server, tube[2];
    char data[8];
    size_t got;

    ck_assert_int_eq(net_listen("0", &listener, &why), ERR_OK);
    client = connect_client();
    server = net_accept(&listener);
    ck_assert(!net_receive_now(server, data, sizeof data, &got));
    ck_assert(net_send(client, "hello", 5));
    ck_assert_uint_eq(net_wait(server, -1), 1);
    ck_assert(net_receive_now(server, data, sizeof data, &got));
    ck_assert_uint_eq(got, 5);
    net_close(client);
    ck_assert_uint_eq(net_wait(server, -1), 1);
    ck_assert(net_receive_now(server, data, sizeof data, &got));
    ck_assert_uint_eq(got, 0);
    net_close(server);
    ck_assert_int_eq(pipe(tube), 0);
    ck_assert_int_eq(write(tube[1], "x", 1), 1);
    ck_assert(!net_receive_now(tube[0], data, sizeof data, &got));
    net_close(tube[0]);
    net_close(tube[1]);
}
END_TEST

START_TEST(who_does_not_read_is_not_waited_for)
{
    static char data[1 << 20];
    size_t put = 1, total = 0;
    int client, server, tube[2];

    ck_assert_int_eq(net_listen("0", &listener, &why), ERR_OK);
    client = connect_client();
    server = net_accept(&listener);
    ck_assert_uint_eq(net_wait_to_send(server, listener.fd), 1);
    while (put) {
        ck_assert(net_send_now(server, data, sizeof data, &put));
        total += put;
    }
    ck_assert_uint_gt(total, 0);
    while (total) {
        ssize_t got = read(client, data, total < sizeof data ? total : sizeof data);

        ck_assert_int_gt(got, 0);
        total -= (size_t)got;
    }
    ck_assert_uint_eq(net_wait_to_send(server, -1), 1);
    net_close(client);
    while (net_send_now(server, data, sizeof data, &put))
        continue;
    net_close(server);
    ck_assert_int_eq(pipe(tube), 0);
    ck_assert(net_send_now(tube[1], "hello", 5, &put));
    ck_assert_uint_eq(put, 5);
    net_close(tube[0]);
    net_close(tube[1]);
}
END_TEST

START_TEST(whoever_else_connects_is_turned_away)
{
    char byte;
    int first, second, server;

    ck_assert_int_eq(net_listen("0", &listener, &why), ERR_OK);
    first = connect_client();
    server = net_accept(&listener);
    second = connect_client();
    ck_assert_uint_eq(net_wait(server, listener.fd), 2);
    net_refuse(&listener);
    ck_assert_int_eq(read(second, &byte, 1), 0);
    ck_assert(!net_readable(server));
    net_close(first);
    net_close(second);
    net_close(server);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("net");
    TCase *tc = tcase_create("net");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, port_zero_picks_one_on_loopback);
    tcase_add_test(tc, empty_host_means_loopback);
    tcase_add_test(tc, other_hosts_are_not_loopback);
    tcase_add_loop_test(tc, bad_places_are_refused_by_name, 0, (int)COUNT_OF(bad_specs));
    tcase_add_test(tc, a_taken_port_says_what_to_do);
    tcase_add_test(tc, bytes_arrive_and_the_end_of_the_stream_is_seen);
    tcase_add_test(tc, what_is_there_already_is_received_without_waiting);
    tcase_add_test(tc, who_does_not_read_is_not_waited_for);
    tcase_add_test(tc, whoever_else_connects_is_turned_away);
    suite_add_tcase(s, tc);
    return suite_main(s);
}
