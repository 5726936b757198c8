/** GreenLLM's own sign: a leaf with a bolt cut out of it. */
import { LabIcon } from '@jupyterlab/ui-components';

const LEAF =
  '<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">' +
  '<path class="jp-icon3" fill="#616161" fill-rule="evenodd" d="M14.6 1.4C8.2 1 3.6 2.6 2.3 6.3' +
  'c-.7 2-.3 3.8.7 5.2L1.4 14l1 .7 1.7-2.3c1.5.8 3.3 1 5.1.3 4-1.6 5.6-5.7 5.4-11.3z' +
  'M9.4 3.7 5.6 8.2h2.2l-1.3 3.6 4.4-5H8.5z"/></svg>';

export const leafIcon = new LabIcon({ name: 'greenllm:leaf', svgstr: LEAF });
