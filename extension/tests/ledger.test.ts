import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LedgerModel } from '../src/ledger';
import type { Answer, EnergyServer } from '../src/server';
import type { History } from '../src/messages';
import { history, pastCell, pastCells } from './past';

let isSeen: boolean;
let answers: Answer<History>[];
let asked: number;
let ledger: LedgerModel;

const server: EnergyServer = {
  history: () => {
    asked += 1;
    return Promise.resolve(answers.shift() ?? { value: history() });
  },
  session: () => Promise.resolve({ value: pastCells(pastCell()) }),
  hostPower: () => Promise.resolve({ failure: { reason: 'absent', text: '' } }),
  exportProblem: () => Promise.resolve(null),
  exportUrl: (format, id) => `/${format}/${id}`
};

beforeEach(() => {
  vi.useFakeTimers();
  [isSeen, answers, asked] = [true, [], 0];
  ledger = new LedgerModel(
    server,
    () => isSeen,
    () => Date.now()
  );
});

afterEach(() => {
  ledger.dispose();
  vi.useRealTimers();
});

async function pass(seconds: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(seconds * 1000);
}

describe('the ledger', () => {
  it('is asked every now and then while somebody looks, however often it is drawn', async () => {
    const changes = vi.fn();
    ledger.changed.connect(changes);
    for (let drawing = 0; drawing < 50; drawing++) {
      ledger.want('session 1');
      await pass(1);
    }
    expect(asked).toBe(4);
    expect(ledger.history).toMatchObject({ state: 'ready', value: history() });
    expect(changes).toHaveBeenCalledTimes(1);
  });

  it('tells of a new day, and of what other kernels measure, where nothing is drawn', async () => {
    ledger.want('');
    await pass(1);
    const tomorrow = { ...history(), today: { ...history().today, runs: 0 } };
    answers = [{ value: tomorrow }];
    await pass(15);
    expect(ledger.history.value).toEqual(tomorrow);
  });

  it('is not asked again where the server has no such part, unless it is told to', async () => {
    answers = [{ failure: { reason: 'absent', text: '' } }];
    ledger.want('');
    await pass(30);
    ledger.want('');
    await pass(30);
    expect(asked).toBe(1);
    await ledger.refresh();
    expect(ledger.history.state).toBe('ready');
  });

  it('is asked again when runs have ended, once they have settled and not in a rush', async () => {
    ledger.want('session 1');
    await pass(1);
    for (let run = 2; run < 12; run++) {
      ledger.want(`session ${run}`);
      await pass(1);
    }
    expect(asked).toBe(1);
    await pass(10);
    expect(asked).toBe(2);
    ledger.want('session 11');
    await pass(20);
    expect(asked).toBe(3);
  });

  it('is not asked while nobody looks, and is once somebody does', async () => {
    isSeen = false;
    ledger.want('session 1');
    await pass(60);
    expect(asked).toBe(0);
    isSeen = true;
    ledger.want('session 1');
    await pass(1);
    ledger.want('session 2');
    isSeen = false;
    await pass(60);
    expect(asked).toBe(1);
    isSeen = true;
    ledger.want('session 2');
    await pass(1);
    expect(asked).toBe(2);
  });

  it('keeps what it knew when the server no longer answers', async () => {
    await ledger.refresh();
    answers = [{ failure: { reason: 'no answer', text: 'gone' } }];
    await ledger.refresh();
    expect(ledger.history).toEqual({
      state: 'failed',
      value: history(),
      failure: { reason: 'no answer', text: 'gone' }
    });
  });

  it('tells the cells of a session once they are asked for', async () => {
    const changes = vi.fn();
    ledger.changed.connect(changes);
    expect(ledger.session('earlier-1').state).toBe('unasked');
    await ledger.open('earlier-1');
    expect(ledger.session('earlier-1').value?.cells).toHaveLength(1);
    expect(changes).toHaveBeenCalledTimes(2);
    expect(ledger.exportUrl('csv', 'earlier-1')).toBe('/csv/earlier-1');
  });
});
