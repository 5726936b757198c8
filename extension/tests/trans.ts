/** The words as they stand in the sources. */
import { nullTranslator } from '@jupyterlab/translation';

export const trans = nullTranslator.load('greenllm');
