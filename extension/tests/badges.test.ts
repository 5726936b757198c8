import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { Signal } from '@lumino/signaling';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { NotebookBadges } from '../src/badges';
import { DEFAULT_PREFERENCES } from '../src/preferences';
import { EnergySession } from '../src/session';
import type { KernelStream } from '../src/stream';
import { cell, power, SESSION } from './messages';
import { trans } from './trans';

let frames: FrameRequestCallback[] = [];

beforeEach(() => {
  frames = [];
  vi.spyOn(window, 'requestAnimationFrame').mockImplementation(draw => frames.push(draw));
});

/** Draw the frames that have been asked for. */
function draw(): void {
  frames.splice(0).forEach(frame => frame(0));
}

function inputOf(): HTMLElement {
  return Object.assign(document.createElement('div'), { className: 'jp-Cell-inputWrapper' });
}

function cellOf(id: string, isInPage: boolean): Cell {
  const node = document.createElement('div');
  node.append(...(isInPage ? [inputOf()] : []));
  const model = { id, getMetadata: () => undefined, metadataChanged: new Signal({}) };
  return { node, model } as unknown as Cell;
}

/** Badges of a notebook whose second cell is not in the page yet. */
function badgesOf() {
  const away = cellOf('2', false);
  const cells = [cellOf('1', true), away];
  const session = new EnergySession(SESSION);
  const stream = { session, changed: new Signal<unknown, void>({}) };
  const content = {
    widgets: cells,
    cellInViewportChanged: new Signal<unknown, Cell>({}),
    modelContentChanged: new Signal<unknown, void>({})
  };
  const badges = new NotebookBadges({
    notebook: { isVisible: true, content } as unknown as NotebookPanel,
    stream: stream as unknown as KernelStream,
    preferences: {
      current: { ...DEFAULT_PREFERENCES, refreshMs: 0 },
      changed: new Signal({}),
      set: vi.fn()
    } as never,
    trans
  });
  return { badges, cells, away, content, stream, session };
}

describe('the badges of a notebook', () => {
  it('wait for a cell that is not in the page, and look at no cell when power comes', () => {
    const { badges, cells, away, content, stream, session } = badgesOf();
    ['1', '2'].forEach(id => session.accept(cell({ cell_id: id, run_id: id })));
    stream.changed.emit();
    draw();
    const has = () => cells.map(({ node }) => node.querySelector('.greenllm-Badge') !== null);
    expect(has()).toEqual([true, false]);

    const look = vi.spyOn(away.node, 'querySelector');
    session.accept(power({ seq: 9 }));
    stream.changed.emit();
    draw();
    expect(look).not.toHaveBeenCalled();
    look.mockRestore();

    away.node.append(inputOf());
    content.cellInViewportChanged.emit(away);
    draw();
    expect(has()).toEqual([true, true]);
    badges.dispose();
  });
});
