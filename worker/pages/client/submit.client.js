// Sends the page's one form: the grant for a sandbox, posted to its gateway.
document.forms[0]?.submit();
