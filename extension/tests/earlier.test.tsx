import * as React from 'react';
import { describe, expect, it, vi } from 'vitest';
import { EarlierSessions } from '../src/components/earlier';
import { click, draw, host, server, settle, unfold, usual } from './page';
import { history, pastCell, pastCells, pastSession } from './past';

const HOSTILE = '<img src=x onerror="alert(1)">';

describe('earlier sessions', () => {
  it('are asked for when the list is unfolded, and their cells when one is', async () => {
    const asked = vi.spyOn(server, 'history');
    await draw(<EarlierSessions currentId="now" />);
    await settle();
    expect(asked).not.toHaveBeenCalled();
    const now = pastSession({ session_id: 'now', names: ['this one'] });
    server.historyAnswer = {
      value: history({ sessions: [now, pastSession({ names: [HOSTILE, 'b'] })] })
    };
    await unfold(host.querySelector('details'));
    expect(asked).toHaveBeenCalledOnce();
    const items = host.querySelectorAll('li');
    expect(items).toHaveLength(1);
    expect(items[0]?.textContent).toContain(HOSTILE);
    expect(items[0]?.textContent).toContain('2026');
    expect(server.asked).toEqual([]);

    server.sessionAnswer = {
      value: pastCells(pastCell({ name: 'tokenize' }), pastCell({ status: 'partial' }))
    };
    await unfold(items[0]?.querySelector('details'));
    expect(server.asked).toEqual(['earlier-1']);
    const cells = [...host.querySelectorAll('.greenllm-Earlier-cells li')];
    expect(cells.map(node => node.textContent)).toEqual([
      expect.stringContaining('tokenize'),
      expect.stringContaining('partial')
    ]);
    click('CSV');
    await settle();
    expect(usual.actions.download).toHaveBeenLastCalledWith('/export/csv/null');
  });

  it('that are many come a page at a time', async () => {
    const sessions = Array.from({ length: 200 }, (_, index) =>
      pastSession({ session_id: `s${index}` })
    );
    server.historyAnswer = { value: history({ sessions }) };
    await draw(<EarlierSessions currentId={null} />);
    await unfold(host.querySelector('details'));
    expect(host.querySelectorAll('li')).toHaveLength(20);
    click('Show more (180 left)');
    expect(host.querySelectorAll('li')).toHaveLength(120);
  });

  it('that there are none of says so', async () => {
    server.historyAnswer = { value: history({ sessions: [] }) };
    await draw(<EarlierSessions currentId={null} />);
    await unfold(host.querySelector('details'));
    expect(host.querySelector('[data-ledger="empty"]')?.textContent).toContain(
      'No earlier sessions'
    );
  });

  it('whose cells cannot be had say why', async () => {
    server.sessionAnswer = { failure: { reason: 'not found', text: '' } };
    await draw(<EarlierSessions currentId={null} />);
    await unfold(host.querySelector('details'));
    await unfold(host.querySelector('li details'));
    expect(host.querySelector('[data-failure="not found"]')?.textContent).toContain('refresh');
  });
});
