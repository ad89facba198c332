import { describe, expect, it } from "vitest";
import { isPublicAddress } from "./addresses.ts";

describe("isPublicAddress", () => {
  it.each([
    "1.1.1.1",
    "8.8.8.8",
    "140.82.121.4",
    "172.15.255.255",
    "172.32.0.1",
    "192.167.1.1",
    "2606:4700::1111",
    "2a00:1450:4001:80e::200e",
  ])("lets %s pass", (address) => expect(isPublicAddress(address)).toBe(true));

  it.each([
    ["loopback", "127.0.0.1"],
    ["loopback, not .1", "127.9.9.9"],
    ["this network", "0.0.0.0"],
    ["private", "10.1.2.3"],
    ["private", "172.16.0.1"],
    ["private", "172.31.255.255"],
    ["private", "192.168.0.1"],
    ["carrier grade", "100.64.0.1"],
    ["metadata", "169.254.169.254"],
    ["metadata of another cloud", "100.100.100.200"],
    ["Azure's platform", "168.63.129.16"],
    ["multicast", "224.0.0.1"],
    ["broadcast", "255.255.255.255"],
    ["reserved", "240.0.0.1"],
    ["documentation", "203.0.113.1"],
    ["IPv6 loopback", "::1"],
    ["unspecified", "::"],
    ["IPv4-mapped loopback", "::ffff:127.0.0.1"],
    ["IPv4-mapped public", "::ffff:1.1.1.1"],
    ["IPv4-compatible", "::127.0.0.1"],
    ["NAT64", "64:ff9b::a9fe:a9fe"],
    ["6to4 of a private one", "2002:0a00:0001::"],
    ["Teredo", "2001:0:4136:e378::1"],
    ["unique local", "fd00:ec2::254"],
    ["link-local", "fe80::1"],
    ["link-local with zone", "fe80::1%eth0"],
    ["public with zone", "2606:4700::1111%lo"],
    ["multicast", "ff02::1"],
    ["a name", "localhost"],
    ["octal", "0177.0.0.1"],
    ["a number", "2130706433"],
    ["hex", "0x7f000001"],
    ["short", "127.1"],
    ["empty", ""],
  ])("refuses %s: %s", (_kind, address) => expect(isPublicAddress(address)).toBe(false));
});
