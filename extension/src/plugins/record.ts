/** Draws a record in a cell's output. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { RECORD_MIME_TYPE, RecordCard } from '../record-card';
import { IPreferences } from '../tokens';

/** Before text/html, which the same bundle carries for other front ends. */
const RANK = 40;

export const recordPlugin: JupyterFrontEndPlugin<void> = {
  id: 'greenllm:record',
  description: 'Draws the energy record of a cell in its output.',
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [ITranslator, IPreferences],
  activate: (
    _,
    rendermime: IRenderMimeRegistry,
    translator: ITranslator | null,
    preferences: IPreferences | null
  ) => {
    const trans = (translator ?? nullTranslator).load('greenllm');
    rendermime.addFactory(
      {
        safe: true,
        mimeTypes: [RECORD_MIME_TYPE],
        createRenderer: () => new RecordCard(trans, preferences)
      },
      RANK
    );
  }
};
