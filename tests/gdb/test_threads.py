"""Programs with many threads: what they print, that it is the same in every run, what a gdb sees of them."""

from matrix import with_dlls
from test_dlls import prints_as_expected


@with_dlls
def threads_begin_run_and_end(test):
    prints_as_expected(test, "threads", status=33)


@with_dlls
def waits_take_what_they_wait_for(test):
    prints_as_expected(test, "sync", status=11)


@with_dlls
def locks_of_user_mode_hold(test):
    prints_as_expected(test, "locks", status=12)


@with_dlls
def time_and_calls_come_when_they_should(test):
    prints_as_expected(test, "clocks", status=13)


@with_dlls
def ports_and_the_thread_pool_do_their_work(test):
    prints_as_expected(test, "pools", status=14)
