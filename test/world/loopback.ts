/** Names of this machine. Servers of the local world answer to no other, so that a foreign name pointed here opens nothing. */

/** Whether a `Host` header names this machine: 127.0.0.1, localhost, a name under localhost, or ::1, with any port. */
export function isLoopbackHost(host: string | undefined): boolean {
  return /^(?:127\.0\.0\.1|(?:[a-z0-9-]+\.)*localhost|\[::1\])(?::\d{1,5})?$/i.test(host ?? "");
}
