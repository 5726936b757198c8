/**
 * Which cells this page has told to run and whose records it still waits for. A reload in the middle of a
 * cell does not end the run: the browser keeps the list for this tab, as long as the tab is open.
 */

/** A page that waits for more runs than this forgets the rest when it is loaded again. */
const MOST_KEPT = 500;

/** By cell: the run that was known when it was told to run again (null: none). */
export class AwaitedRuns {
  private readonly _runs: Map<string, string | null>;
  private readonly _key: string;

  /**
   * @param kernelId - In which kernel they run.
   * @param path - Of the notebook: several may share a kernel, and a copy has the ids of the cells it was made of.
   */
  constructor(kernelId: string, path: string) {
    this._key = `greenllm:awaited:${kernelId}:${path}`;
    this._runs = new Map(read(this._key));
  }

  get entries(): ReadonlyMap<string, string | null> {
    return this._runs;
  }

  add(cellId: string, earlierRun: string | null): void {
    this._runs.set(cellId, earlierRun);
    this._write();
  }

  delete(cellId: string): void {
    this._runs.delete(cellId);
    this._write();
  }

  /** Wait for none any more: the kernel is another one. */
  forget(): void {
    this._runs.clear();
    this._write();
  }

  private _write(): void {
    try {
      if (this._runs.size === 0) {
        sessionStorage.removeItem(this._key);
      } else {
        const kept = [...this._runs].slice(-MOST_KEPT);
        sessionStorage.setItem(this._key, JSON.stringify(kept));
      }
    } catch {
      // A browser that keeps nothing: what a reload interrupts is then not stored.
    }
  }
}

function read(key: string): [string, string | null][] {
  try {
    const found: unknown = JSON.parse(sessionStorage.getItem(key) ?? '[]');
    return Array.isArray(found) ? found.slice(0, MOST_KEPT).filter(isEntry) : [];
  } catch {
    return [];
  }
}

function isEntry(entry: unknown): entry is [string, string | null] {
  return (
    Array.isArray(entry) &&
    entry.length === 2 &&
    typeof entry[0] === 'string' &&
    (entry[1] === null || typeof entry[1] === 'string')
  );
}
