/** What a page costs its browser: the main thread's time, the scripts' time and the heap, as Chromium counts them. */
import { appendFileSync } from 'node:fs';
import type { CDPSession, Page } from '@playwright/test';

/** Time spent until now, s of the main thread's processor time. */
export interface Spent {
  readonly scripts_s: number;
  readonly tasks_s: number;
}

export class Cost {
  private constructor(private readonly cdp: CDPSession) {}

  static async of(galata: Pick<Page, 'context'>): Promise<Cost> {
    // The page itself: Galata's is a stand-in for it.
    const context = galata.context();
    const [page] = context.pages();
    if (!page) {
      throw new Error('There is no page to be metered.');
    }
    const cdp = await context.newCDPSession(page);
    // Processor time: what other programs do on a busy machine does not count.
    await cdp.send('Performance.enable', { timeDomain: 'threadTicks' });
    await cdp.send('HeapProfiler.enable');
    return new Cost(cdp);
  }

  async spent(): Promise<Spent> {
    const metrics = await this._metrics();
    return {
      scripts_s: metrics.get('ScriptDuration') ?? NaN,
      tasks_s: metrics.get('TaskDuration') ?? NaN
    };
  }

  /** The part of a core the main thread takes in that time, 0..1. */
  async share(duration_ms: number): Promise<number> {
    const [before, from_ms] = [await this.spent(), performance.now()];
    await wait(duration_ms);
    const [after, to_ms] = [await this.spent(), performance.now()];
    return (1000 * (after.tasks_s - before.tasks_s)) / (to_ms - from_ms);
  }

  /** The heap in use after the garbage is gone, MB. */
  async heap_mb(): Promise<number> {
    for (let round = 0; round < 3; round++) {
      await this.cdp.send('HeapProfiler.collectGarbage');
    }
    return ((await this._metrics()).get('JSHeapUsedSize') ?? NaN) / 1e6;
  }

  private async _metrics(): Promise<Map<string, number>> {
    const { metrics } = await this.cdp.send('Performance.getMetrics');
    return new Map(metrics.map(({ name, value }) => [name, value]));
  }
}

/** Note a figure for tests/benchmarks/browser.py, which knows its limit. */
export function note(name: string, value: number): void {
  const file = process.env.GREENLLM_BROWSER_FIGURES;
  if (file) {
    appendFileSync(file, `${JSON.stringify({ name, value })}\n`);
  }
  console.log(`${name}: ${value}`);
}

/** The value below which that part (0..1) of the values lies. */
export function quantile(values: readonly number[], part: number): number {
  const ordered = [...values].sort((a, b) => a - b);
  return ordered[Math.min(ordered.length - 1, Math.floor(part * ordered.length))] ?? NaN;
}

export function median(values: readonly number[]): number {
  return quantile(values, 0.5);
}

export async function wait(duration_ms: number): Promise<void> {
  await new Promise(resolve => setTimeout(resolve, duration_ms));
}
