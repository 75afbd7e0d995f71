"""Hosts made of network namespaces: each has interfaces and a firewall of its own, all have one disk. A link is a veth pair, or, where it is to be slow and the kernel
has no netem, a pair of TUN devices between which a program carries packets and takes its time."""

import contextlib
import fcntl
import heapq
import itertools
import os
import pathlib
import select
import shutil
import struct
import subprocess
import threading
import time

import pytest

NUMBERS = itertools.count()
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def run(*command, check=True):
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=check)


def why_not():
    """Why there can be no hosts here; nothing when there can."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    if shutil.which("ip") is None:
        return "no program ip: Debian's iproute2 has it"
    name = f"ingot-trial-{os.getpid()}"
    made = run("ip", "netns", "add", name, check=False)
    if made.returncode != 0:
        return f"ip netns add: {made.stderr.strip()}"
    linked = run("ip", "-n", name, "link", "add", "trial", "type", "veth", "peer", "name", "trial2", check=False)
    run("ip", "netns", "del", name)
    return f"a veth pair: {linked.stderr.strip()}" if linked.returncode != 0 else None


class Host:
    """A namespace with the address 10.N.0.I."""

    def __init__(self, name, address):
        self.name, self.address = name, address
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def prefix(self):
        return ["ip", "netns", "exec", self.name]

    def ip(self, *arguments, check=True):
        return run("ip", "-n", self.name, *arguments, check=check)


class Wire:
    """Two hosts joined by a veth pair."""

    def __init__(self, hosts):
        self.hosts = hosts
        run("ip", "link", "add", "eth0", "netns", hosts[0].name, "type", "veth", "peer", "name", "eth0", "netns", hosts[1].name)
        for host in hosts:
            host.ip("addr", "add", f"{host.address}/24", "dev", "eth0")
            host.ip("link", "set", "eth0", "up")

    def cut(self):
        """Packets vanish on their way, and nobody is told: routes and addresses stay."""
        for host, other in (self.hosts, self.hosts[::-1]):
            host.ip("neigh", "replace", other.address, "lladdr", "02:00:00:00:00:99", "dev", "eth0", "nud", "permanent")

    def close(self):
        pass


def open_tun(host):
    """A TUN device of the host, and its descriptor: packets that the host sends are read from it."""
    device = os.open("/dev/net/tun", os.O_RDWR)
    name = f"ingot{os.getpid()}"
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    run("ip", "link", "set", name, "netns", host.name, "name", "eth0")
    return device


class SlowWire:
    """Two hosts joined by a wire on which every packet takes its time, each way."""

    def __init__(self, hosts, seconds):
        self.devices, self.seconds, self.is_over = [open_tun(host) for host in hosts], seconds, False
        self.carried = 0
        for host, other in (hosts, hosts[::-1]):
            host.ip("addr", "add", host.address, "peer", other.address, "dev", "eth0")
            host.ip("link", "set", "eth0", "up", "mtu", "9000")
        self.thread = threading.Thread(target=self.carry)
        self.thread.start()

    def carry(self):
        under_way, order = [], itertools.count()
        while not self.is_over:
            wait = max(0, under_way[0][0] - time.monotonic()) if under_way else 0.1
            for device in select.select(self.devices, [], [], min(wait, 0.1))[0]:
                packet = os.read(device, 65536)
                heapq.heappush(under_way, (time.monotonic() + self.seconds, next(order), self.devices[device == self.devices[0]], packet))
            while under_way and under_way[0][0] <= time.monotonic():
                _, _, device, packet = heapq.heappop(under_way)
                self.carried += len(packet)
                os.write(device, packet)

    def close(self):
        self.is_over = True
        self.thread.join()
        for device in self.devices:
            os.close(device)


@contextlib.contextmanager
def two_hosts(wire=Wire, **wire_settings):
    """Two hosts and the wire between them. Skips where the system lets nobody make them."""
    reason = why_not()
    if reason:
        pytest.skip(reason)
    number = next(NUMBERS)
    net = 1 + (os.getpid() * 16 + number) % 250
    hosts = [Host(f"ingot-{os.getpid()}-{number}-{i}", f"10.{net}.0.{i + 1}") for i in range(2)]
    made = None
    try:
        made = wire(hosts, **wire_settings)
        yield hosts, made
    finally:
        if made:
            made.close()
        for host in hosts:
            for pid in run("ip", "netns", "pids", host.name, check=False).stdout.split():
                with contextlib.suppress(OSError):
                    os.kill(int(pid), 9)
            run("ip", "netns", "del", host.name, check=False)


def call_by_name(host, names):
    """Gives the host an /etc/hosts of its own: name -> address. Takes effect for programs that it starts from now on."""
    folder = pathlib.Path("/etc/netns") / host.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hosts").write_text("127.0.0.1 localhost\n" + "".join(f"{address} {name}\n" for name, address in names.items()))
    return folder
