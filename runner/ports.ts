/** Which TCP ports are listened on, as Linux tells (proc(5), /proc/net/tcp and tcp6). Pure. */

/** A listening socket that is reached over loopback: by 127.0.0.1, by ::1, or by both. `inode` names the socket. */
export type Listener = { port: number; by: "127.0.0.1" | "::1" | "both"; inode: string };

/** TCP_LISTEN in the column `st`. */
const LISTEN = "0A";

/** Local addresses as the kernel of a little-endian machine writes them: four bytes at a time, the last first. */
const REACHED_BY: Record<string, Listener["by"]> = {
  "0100007F": "127.0.0.1",
  "00000000": "127.0.0.1",
  // ::1, and :: which takes IPv4 too unless it was told not to.
  "00000000000000000000000001000000": "::1",
  "00000000000000000000000000000000": "both",
  // ::ffff:127.0.0.1 and ::ffff:0.0.0.0
  "0000000000000000FFFF00000100007F": "127.0.0.1",
  "0000000000000000FFFF000000000000": "127.0.0.1",
};

/** The listeners in one of the two tables. What is not understood is left out. */
export function listeners(table: string): Listener[] {
  return table.split("\n").flatMap((line): Listener[] => {
    const [, local = "", , state, , , , , , inode] = line.trim().split(/\s+/);
    const [, address = "", hex = ""] = /^([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})$/.exec(local) ?? [];
    const by = REACHED_BY[address];
    const port = Number.parseInt(hex, 16);
    return state === LISTEN && by && port > 0 && inode && /^\d+$/.test(inode) ? [{ port, by, inode }] : [];
  });
}
