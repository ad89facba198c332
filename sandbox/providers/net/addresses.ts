/**
 * Which addresses a sandbox may reach through the egress proxy: public ones. From the IANA special-purpose registries
 * (RFC 6890 and its updates); what is tunnelled or translated to IPv4 is refused as a whole, since it can name a private one.
 */
import { BlockList, isIP } from "node:net";

const NOT_PUBLIC_V4 = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  // Azure's platform address: public by its number, but each virtual machine's own host answers, with that machine's configuration.
  "168.63.129.16/32",
  "169.254.0.0/16",
  "172.16.0.0/12",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
];
/** Inside 2000::/3, the only block with public addresses: Teredo and other protocol assignments, documentation, 6to4. */
const NOT_PUBLIC_V6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

function listOf(subnets: readonly string[], family: "ipv4" | "ipv6"): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = "", prefix = ""] = subnet.split("/");
    list.addSubnet(network, Number(prefix), family);
  }
  return list;
}

const refusedV4 = listOf(NOT_PUBLIC_V4, "ipv4");
const refusedV6 = listOf(NOT_PUBLIC_V6, "ipv6");
const globalV6 = listOf(["2000::/3"], "ipv6");

/** Whether an IP address, as text, is a public unicast address. Anything that is not a plain IP address is not. */
export function isPublicAddress(address: string): boolean {
  switch (isIP(address)) {
    case 4:
      return !refusedV4.check(address, "ipv4");
    case 6:
      return !address.includes("%") && globalV6.check(address, "ipv6") && !refusedV6.check(address, "ipv6");
    default:
      return false;
  }
}
