/** The widget that draws a record in a cell's output. */
import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import { MessageLoop } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import * as React from 'react';
import { RecordView } from './components/record';
import { DEFAULT_PREFERENCES } from './preferences';
import type { IPreferences } from './tokens';

export const RECORD_MIME_TYPE = 'application/vnd.greenllm.energy.v1+json';

/** Renders the MIME type of a record. */
export class RecordCard extends ReactWidget implements IRenderMime.IRenderer {
  private _data: unknown = null;

  /** @param preferences - Tell the unit of energies, now and when it changes; null: it is the usual one. */
  constructor(
    private readonly trans: TranslationBundle,
    private readonly preferences: IPreferences | null
  ) {
    super();
    this.addClass('greenllm-RecordHost');
    preferences?.changed.connect(this.update, this);
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    this._data = model.data[RECORD_MIME_TYPE];
    // Now, not in the next frame: the output area waits for it.
    MessageLoop.sendMessage(this, Widget.Msg.UpdateRequest);
    await this.renderPromise;
  }

  protected override render(): React.JSX.Element {
    const { energyUnit } = this.preferences?.current ?? DEFAULT_PREFERENCES;
    return <RecordView data={this._data} trans={this.trans} unit={energyUnit} />;
  }
}
