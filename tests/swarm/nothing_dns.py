"""A DNS server that knows no name: every query is answered NXDOMAIN. While the file named by the second argument
exists it keeps silent instead, like a name server behind a firewall.  nothing_dns.py ADDRESS SILENT-FILE"""
import os
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], 53))
while True:
    query, client = server.recvfrom(4096)
    if len(query) < 17 or os.path.exists(sys.argv[2]):
        continue
    end = 12
    while end < len(query) and query[end]:
        end += query[end] + 1
    # The query's id, answer + recursion available + NXDOMAIN, the question again without EDNS.
    server.sendto(query[:2] + b"\x81\x83\0\1\0\0\0\0\0\0" + query[12:end + 5], client)
