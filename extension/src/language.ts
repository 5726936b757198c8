/** In which language names, dates and numbers are written: JupyterLab's, or else the browser's. */
export function languageOfPage(): string | undefined {
  return document.documentElement.lang || undefined;
}
