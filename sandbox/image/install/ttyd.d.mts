/** Whether dotted version `have` is `least` or newer. */
export function isAtLeast(have: string, least: string): boolean;
