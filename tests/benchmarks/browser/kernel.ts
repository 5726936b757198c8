/** What a kernel with eight GPUs says, four times a second, for an hour and more; and how a page is made to hear it. */
import { cell, gpus, hello, power, prepareToSay, totals, type Said } from '../../ui/said';
import type { Lab } from '../../ui/lab';

export const GPUS = 8;
export const EVERY_MS = 250;
const HOUR_MS = 3_600_000;
const LIMIT_W = 700;
/** How long a cell runs, and of how many the notebook consists: they run one after the other, again and again. */
const TICKS_OF_A_RUN = 40;
const CELLS = 50;
/** So many messages at once, and a breath for the page. */
const AT_ONCE = 400;

/** The message of one tick; as in the kernel, the cell comes every second and the rest every fourth. */
export function tick(index: number, at_ms: number): Said {
  if (index % 16 === 8) {
    return hello({ at_ms, channels: gpus(GPUS, LIMIT_W) });
  }
  if (index % 16 === 12) {
    return totals({
      at_ms,
      energy_j: 700 + index * 500,
      interval_j: [650 + index * 490, 750 + index * 510],
      runs: 1 + Math.floor(index / TICKS_OF_A_RUN)
    });
  }
  if (index % 4 === 2) {
    return row(index, at_ms);
  }
  const powers = Array.from({ length: GPUS }, (_, gpu) => 400 + 200 * Math.sin(index / 7 + gpu));
  return power({
    at_ms,
    power_w: ofEach(powers),
    utilization: ofEach(powers.map(watts => watts / LIMIT_W)),
    total_w: powers.reduce((sum, watts) => sum + watts, 0),
    energy_j: 500 * index,
    mass_gco2e: 0.01 * index,
    running: [nameOf(index)]
  });
}

/** The cell that runs; in the first message after another, the one that has ended. */
function row(index: number, at_ms: number): Said {
  const hasEnded = index >= TICKS_OF_A_RUN && index % TICKS_OF_A_RUN < 4;
  const of = hasEnded ? index - TICKS_OF_A_RUN : index;
  const ticks = hasEnded ? TICKS_OF_A_RUN : index % TICKS_OF_A_RUN;
  const began_ms = at_ms - EVERY_MS * (hasEnded ? ticks + (index % TICKS_OF_A_RUN) : ticks);
  return cell(nameOf(of), {
    at_ms,
    run_id: `run-${Math.floor(of / TICKS_OF_A_RUN)}`,
    status: hasEnded ? 'ok' : 'running',
    runs: 1 + Math.floor(of / TICKS_OF_A_RUN / CELLS),
    duration_s: (ticks * EVERY_MS) / 1000,
    energy_j: 500 * index,
    interval_j: [490 * index, 510 * index],
    started_at_ms: began_ms,
    ended_at_ms: hasEnded ? began_ms + EVERY_MS * ticks : null
  });
}

function nameOf(index: number): string {
  return `cell-${Math.floor(index / TICKS_OF_A_RUN) % CELLS}`;
}

function ofEach(values: readonly number[]): Record<string, number> {
  return Object.fromEntries(values.map((value, gpu) => [`gpu:${gpu}`, value]));
}

/** Let the page hear an hour that ends at that instant, as fast as it can. */
export async function sayAnHour(page: Lab, until_ms: number): Promise<void> {
  const count = HOUR_MS / EVERY_MS;
  await page.evaluate(prepareToSay);
  for (let first = 0; first < count; first += AT_ONCE) {
    const messages = Array.from({ length: Math.min(AT_ONCE, count - first) }, (_, offset) =>
      tick(first + offset, until_ms - HOUR_MS + EVERY_MS * (first + offset))
    );
    await page.evaluate(async messages => {
      window.greenllmSay(messages);
      await new Promise(resolve => setTimeout(resolve, 0));
    }, messages as unknown[]);
  }
}

/** Of messages that are as long and as many, and that nothing of ours listens to. */
export const FOREIGN = 'some_event';

/** Let the page hear a message each quarter of a second, by its own timer, until told to stop. */
export async function keepSaying(page: Lab, from_ms: number, type?: string): Promise<void> {
  const messages = Array.from({ length: 2000 }, (_, index) =>
    tick(index + 14_400, from_ms + EVERY_MS * index)
  );
  await page.evaluate(
    ({ messages, every_ms, type }) => {
      let next = 0;
      const timer = setInterval(() => window.greenllmSay([messages[next++]], type), every_ms);
      window.greenllmStop = () => clearInterval(timer);
    },
    { messages: messages, every_ms: EVERY_MS, type }
  );
}

export async function stopSaying(page: Lab): Promise<void> {
  await page.evaluate(() => window.greenllmStop());
}

declare global {
  interface Window {
    greenllmStop: () => void;
  }
}
