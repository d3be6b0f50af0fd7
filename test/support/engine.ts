export type Engine = 'node' | 'happy-dom' | 'workerd' | 'chromium' | 'firefox' | 'webkit';

/** Whose fetch this is: for the few rows where an engine cannot see a fault, or shows more of it than the others. */
export const engine: Engine = nameEngine(navigator.userAgent);

function nameEngine(userAgent: string): Engine {
  if (userAgent.includes('HappyDOM')) return 'happy-dom';
  if (userAgent.includes('Cloudflare-Workers')) return 'workerd';
  if (userAgent.includes('Chrome/')) return 'chromium';
  if (userAgent.includes('Firefox/')) return 'firefox';
  if (userAgent.includes('AppleWebKit/')) return 'webkit';
  return 'node';
}
