"""Executes a command under a filter that makes the kernel refuse one system call, as an old kernel or a container's profile does.

usage: refuse.py WHAT ERRNO COMMAND...      WHAT is one of REFUSED below
"""
import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {"x86_64": {"splice": 275, "setsockopt": 54, "prctl": 157, "seccomp": 317, "socket": 41, "connect": 42, "prlimit64": 302},
           "aarch64": {"splice": 76, "setsockopt": 208, "prctl": 167, "seccomp": 277, "socket": 198, "connect": 203, "prlimit64": 261}}[platform.machine()]
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
SOL_SOCKET, SO_REUSEPORT, IPPROTO_TCP, TCP_DEFER_ACCEPT, AF_INET6, RLIMIT_CORE, SIZE_OF_IPV4 = 1, 15, 6, 9, 10, 4, 16
FIRST, SECOND, THIRD = 16, 24, 32  # arguments in struct seccomp_data, which begins with the number of the call
# The call, and what its arguments have to be.
REFUSED = {
    "splice": (NUMBERS["splice"], {}),
    "reuseport": (NUMBERS["setsockopt"], {SECOND: SOL_SOCKET, THIRD: SO_REUSEPORT}),
    "defer_accept": (NUMBERS["setsockopt"], {SECOND: IPPROTO_TCP, THIRD: TCP_DEFER_ACCEPT}),
    "seccomp": (NUMBERS["seccomp"], {}),
    "landlock": (444, {}),          # landlock_create_ruleset
    "landlock_restrict": (446, {}),
    "no_new_privs": (NUMBERS["prctl"], {FIRST: PR_SET_NO_NEW_PRIVS}),
    "ipv6": (NUMBERS["socket"], {FIRST: AF_INET6}),
    "connect": (NUMBERS["connect"], {THIRD: SIZE_OF_IPV4}),
    "core_limit": (NUMBERS["prlimit64"], {SECOND: RLIMIT_CORE}),
}


def program(what, error):
    number, arguments = REFUSED[what]
    conditions = [(0, number), *arguments.items()]
    code = []
    for index, (at, value) in enumerate(conditions):
        to_allow = 2 * (len(conditions) - index - 1) + 1
        code += [(LOAD, 0, 0, at), (JUMP_IF_EQUAL, 0, to_allow, value)]
    return code + [(RETURN, 0, 0, REFUSE | error), (RETURN, 0, 0, ALLOW)]


def main(what, error, *command):
    code = b"".join(struct.pack("HBBI", *line) for line in program(what, getattr(errno, error)))
    lines = ctypes.create_string_buffer(code)
    libc = ctypes.CDLL(None, use_errno=True)
    filter_ = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(lines)))
    for arguments in ((PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0)):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    os.execv(command[0], command)


main(*sys.argv[1:])
