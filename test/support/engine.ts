export type Engine = 'node' | 'happy-dom' | 'workerd' | 'chromium' | 'firefox' | 'webkit';

/** Whose fetch this is: for the few rows where an engine cannot see a fault, or shows more of it than the others. */
export const engine: Engine = nameEngine(navigator.userAgent);

/** A read of a body that our abort has cut rejects with an error of their own there, not with the reason. */
export const losingAbortReasons: readonly Engine[] = ['workerd', 'firefox', 'webkit'];

function nameEngine(userAgent: string): Engine {
  if (userAgent.includes('HappyDOM')) return 'happy-dom';
  if (userAgent.includes('Cloudflare-Workers')) return 'workerd';
  if (userAgent.includes('Chrome/')) return 'chromium';
  if (userAgent.includes('Firefox/')) return 'firefox';
  if (userAgent.includes('AppleWebKit/')) return 'webkit';
  return 'node';
}
