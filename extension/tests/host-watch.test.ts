import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { HostWatch } from '../src/host-watch';
import type { HostPower } from '../src/messages';
import type { Answer, EnergyServer } from '../src/server';
import { channel } from './messages';

const POWER: HostPower = {
  schema: 1,
  host: 'node-1',
  at_ms: 1000,
  kernel_here: true,
  ready: true,
  channels: [channel()],
  power_w: { 'gpu:0': 350 },
  utilization: {},
  total_w: 350,
  unusable: []
};

let answer: Answer<HostPower>;
const hostPower = vi.fn(() => Promise.resolve(answer));
let refreshMs = 250;
let watch: HostWatch;

beforeEach(() => {
  vi.useFakeTimers();
  answer = { value: POWER };
  refreshMs = 250;
  hostPower.mockClear();
  watch = new HostWatch({ hostPower } as unknown as EnergyServer, () => refreshMs);
});

afterEach(() => {
  watch.dispose();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe('the host’s power', () => {
  it('is asked for once a second while it is looked at, and then no more', async () => {
    await pass(5000);
    expect(hostPower).not.toHaveBeenCalled();
    watch.look({ kernelId: 'kernel-1' });
    await pass(4500);
    expect(hostPower).toHaveBeenCalledWith('kernel-1');
    expect(hostPower.mock.calls.length).toBeGreaterThanOrEqual(4);
    expect(hostPower.mock.calls.length).toBeLessThanOrEqual(6);
    expect(watch.power).toEqual(POWER);

    watch.look(null);
    expect(watch.power).toBeNull();
    hostPower.mockClear();
    await pass(10_000);
    expect(hostPower).not.toHaveBeenCalled();
  });

  it('is asked for less often where the user wants less', async () => {
    refreshMs = 5000;
    watch.look({ kernelId: null });
    await pass(5500);
    hostPower.mockClear();
    await pass(20_000);
    expect(hostPower.mock.calls.length).toBeLessThanOrEqual(5);
    expect(hostPower.mock.calls.length).toBeGreaterThanOrEqual(3);
  });

  it('of another host than the kernel’s is not shown', async () => {
    answer = { value: { ...POWER, kernel_here: false } };
    watch.look({ kernelId: 'kernel-1' });
    await pass(3000);
    expect(hostPower).toHaveBeenCalled();
    expect(watch.power).toBeNull();
  });

  it('is not asked for again where the server has no such part', async () => {
    answer = { failure: { reason: 'absent', text: '404' } };
    watch.look({ kernelId: null });
    await pass(60_000);
    watch.look({ kernelId: 'kernel-2' });
    await pass(60_000);
    expect(hostPower).toHaveBeenCalledOnce();
  });

  it('is asked for again, less and less often, where the server does not answer', async () => {
    watch.look({ kernelId: null });
    await pass(1500);
    expect(watch.power).not.toBeNull();
    answer = { failure: { reason: 'no answer', text: '' } };
    await pass(2000);
    expect(watch.power).toBeNull();
    hostPower.mockClear();
    await pass(60_000);
    expect(hostPower.mock.calls.length).toBeLessThan(30);
    answer = { value: POWER };
    await pass(60_000);
    expect(watch.power).toEqual(POWER);
  });

  it('of one kernel is not taken for another’s', async () => {
    let reply: (answer: Answer<HostPower>) => void = () => undefined;
    hostPower.mockImplementationOnce(() => new Promise(resolve => (reply = resolve)));
    watch.look({ kernelId: 'kernel-1' });
    await pass(100);
    answer = { value: { ...POWER, kernel_here: false } };
    watch.look({ kernelId: 'kernel-2' });
    reply({ value: POWER });
    await pass(10);
    expect(watch.power).toBeNull();
  });
});
