"""A DNS server that knows no name: every query is answered NXDOMAIN, and written into a log: time, who asks, name, type.
While the second file is there it keeps silent instead, like a name server behind a firewall.

    nothing_dns.py ADDRESS SILENT-FILE LOG-FILE
"""
import os
import socket
import sys
import time

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
with open(sys.argv[3], "w", buffering=1) as log:
    while True:
        query, client = server.recvfrom(4096)
        if len(query) < 17:
            continue
        end, labels = 12, []
        while end < len(query) and query[end]:
            labels.append(query[end + 1:end + 1 + query[end]].decode("ascii", "backslashreplace"))
            end += query[end] + 1
        print(f"{time.time():.3f}", client[0], ".".join(labels), int.from_bytes(query[end + 1:end + 3], "big"), file=log)
        if not os.path.exists(sys.argv[2]):
            # The query's id, answer + recursion available + NXDOMAIN, the question again without EDNS.
            server.sendto(query[:2] + b"\x81\x83\0\1\0\0\0\0\0\0" + query[12:end + 5], client)
