/** The sidebar's widget: draws the current notebook's stream, at most once a frame, only when seen. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import * as React from 'react';
import type { Environment } from './components/environment';
import { Panel } from './components/panel';
import type { EnergyUnit } from './format';
import { leafIcon } from './icon';
import { POWER_FRESH_AFTER_RUN_S, POWER_FRESH_S } from './state';
import type { INotebookStreams } from './tokens';

export const PANEL_ID = 'greenllm-panel';

/** What the user can set. */
export interface Preferences {
  readonly unit: EnergyUnit;
  readonly recent_s: number;
}

export interface EnergyPanelOptions {
  streams: INotebookStreams;
  trans: TranslationBundle;
  actions: Environment['actions'];
}

export class EnergyPanel extends ReactWidget {
  private readonly _streams: INotebookStreams;
  /** Replaced when something in it changes: what depends on it is then drawn again. */
  private _environment: Environment;
  private _frame: number | null = null;
  private _aging: number | null = null;

  constructor({ streams, trans, actions }: EnergyPanelOptions) {
    super();
    this._streams = streams;
    this._environment = { trans, actions, theme: '', unit: 'joule', recent_s: 300 };
    this.id = PANEL_ID;
    this.addClass('greenllm-Panel');
    this.title.icon = leafIcon;
    this.title.caption = trans.__('Energy and emissions');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Energy and emissions'));
    streams.changed.connect(this._draw, this);
  }

  set preferences(preferences: Preferences) {
    this._environment = { ...this._environment, ...preferences };
    this._draw();
  }

  /** The theme's name: what is drawn on a canvas has to be drawn again when it changes. */
  set theme(theme: string) {
    this._environment = { ...this._environment, theme };
    this._draw();
  }

  override dispose(): void {
    if (this._frame !== null) {
      window.cancelAnimationFrame(this._frame);
    }
    window.clearTimeout(this._aging ?? undefined);
    super.dispose();
  }

  protected override onBeforeShow(message: Message): void {
    super.onBeforeShow(message);
    this._draw();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._draw();
  }

  protected override render(): React.JSX.Element {
    const { notebook, current } = this._streams;
    const cells = notebook?.content.model?.cells;
    this._drawAgainWhenPowerIsOld();
    return (
      <Panel
        view={{
          environment: this._environment,
          notebookName: notebook?.title.label ?? '',
          facts: current?.facts ?? null,
          failure: current?.failure ?? null,
          isLoading: current?.isLoading ?? false,
          cellOrder: cells ? Array.from(cells, cell => cell.id) : []
        }}
      />
    );
  }

  /** Draw in the next frame. A hidden panel is not drawn; a hidden page has no frames. */
  private _draw(): void {
    if (!this.isVisible || this._frame !== null) {
      return;
    }
    this._frame = window.requestAnimationFrame(() => {
      this._frame = null;
      if (this.isVisible) {
        this.update();
      }
    });
  }

  /** When messages stop coming, nothing but time says that the last power is no longer the present. */
  private _drawAgainWhenPowerIsOld(): void {
    window.clearTimeout(this._aging ?? undefined);
    const age_s = this._streams.current?.session?.powerAge_s ?? Infinity;
    if (age_s < POWER_FRESH_S) {
      // Once when the run has ended and once when the reading is too old.
      const next_s = age_s < POWER_FRESH_AFTER_RUN_S ? POWER_FRESH_AFTER_RUN_S : POWER_FRESH_S;
      this._aging = window.setTimeout(() => this._draw(), (next_s - age_s) * 1000 + 50);
    }
  }
}
