/** A page for each test, with a server, in which parts of the panel are drawn; and what a user does there. */
import * as React from 'react';
import { act } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import { afterEach, beforeEach } from 'vitest';
import { EnvironmentProvider, type Environment } from '../src/components/environment';
import { LedgerModel } from '../src/ledger';
import { environment } from './environment';
import { PastServer } from './past';

export let host: HTMLElement;
export let server: PastServer;
/** In which parts are drawn where a test gives them no other. */
export let usual: Environment;
let root: Root;
let ledger: LedgerModel;

beforeEach(() => {
  server = new PastServer();
  ledger = new LedgerModel(server, () => true);
  usual = { ...environment(), ledger };
  host = document.createElement('div');
  document.body.append(host);
  root = createRoot(host);
});

afterEach(() => {
  act(() => root.unmount());
  ledger.dispose();
  host.remove();
});

export async function draw(part: React.ReactNode, value = usual): Promise<void> {
  await act(async () => {
    root.render(<EnvironmentProvider value={value}>{part}</EnvironmentProvider>);
    await new Promise(resolve => setTimeout(resolve));
  });
}

/** Until what has been asked for has come and is drawn. */
export async function settle(): Promise<void> {
  await act(async () => {
    await new Promise(resolve => setTimeout(resolve, 20));
  });
}

/** The first with this text in it. */
export function button(text: string): HTMLButtonElement {
  const found = [...host.querySelectorAll('button')].find(b => b.textContent.includes(text));
  if (!found) {
    throw new Error(`No button "${text}" in: ${host.textContent}`);
  }
  return found;
}

export function click(text: string): void {
  act(() => button(text).click());
}

export async function unfold(details: Element | null | undefined): Promise<void> {
  act(() => {
    (details as HTMLDetailsElement).open = true;
  });
  await settle();
}
