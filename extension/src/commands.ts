/** What others may call, and where the palette lists it. */
export const CommandIDs = {
  open: 'greenllm:open',
  measure: 'greenllm:measure',
  badges: 'greenllm:toggle-badges',
  removeRecords: 'greenllm:remove-records',
  settings: 'greenllm:settings'
} as const;

export const CATEGORY = 'GreenLLM';

/** Of a command that takes none. */
export const NO_ARGUMENTS = { args: { type: 'object', properties: {} } } as const;
