/** Whether the Jupyter server answers at all. */
import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

/** What a proxy in front of a server that is gone says. */
const FROM_A_PROXY: ReadonlySet<number> = new Set([502, 503, 504]);

export async function isServerThere(settings: ServerConnection.ISettings): Promise<boolean> {
  try {
    const url = URLExt.join(settings.baseUrl, 'api');
    const { status } = await ServerConnection.makeRequest(url, {}, settings);
    return !FROM_A_PROXY.has(status);
  } catch {
    // The request found nobody: that is the answer.
    return false;
  }
}
