/** Whether a part's folder is there and whole. */
export function isWhole(folder: string): boolean;

/** Makes a part's folder by `fill(temporary folder)`, unless it is there. It gets its name only when `fill` succeeded. */
export function makePart(folder: string, fill: (temporary: string) => Promise<void>): Promise<void>;

/** Removes what cut-off installs left. Call it with the lock held. */
export function sweep(parts: string): void;

/** Waits until this process is the only one that installs into `parts`; the result gives the lock back. */
export function lock(parts: string, onWait: (holder: number) => void): Promise<() => void>;
