/** Repositories as people name them, `owner/name` or a full address. Pure. */

/** Where `owner/name` is cloned from; a full address stays as it is. */
export function cloneUrl(repository: string, base: string | null): string {
  if (/^https?:\/\//.test(repository)) return repository;
  return `${base ?? "https://github.com"}/${repository}.git`;
}

/** Whether two names lead to one repository. Hosts and names are compared without regard to case, as the usual hosts do. */
export function isSameRepository(one: string, other: string | null, base: string | null): boolean {
  const plain = (name: string) =>
    cloneUrl(name, base)
      .toLowerCase()
      .replace(/\/+$/, "")
      .replace(/\.git$/, "");
  return other !== null && plain(one) === plain(other);
}
