/**
 * The content security policy of the page's documents: their own script and styles, by a nonce, and nothing from elsewhere. `goes`: an
 * origin that a form's answer may lead to, since browsers hold redirects after a form to the same rule.
 */
export function contentPolicy(nonce: string, goes?: string): string {
  const form = goes ? `'self' ${goes}` : "'self'";
  return `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; form-action ${form}; base-uri 'none'; frame-ancestors 'none'`;
}
