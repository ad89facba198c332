// The page after a sign-in: fetches the session's token with the one-time code of the address, takes the code out of the address, and goes on.
const main = /** @type {HTMLElement} */ (document.querySelector("main[data-to]"));
const state = /** @type {HTMLElement} */ (document.getElementById("state"));
const code = new URLSearchParams(location.search).get("token");

async function signIn() {
  // Before anything else: nothing that comes after may see it.
  history.replaceState(null, "", location.pathname);
  if (code === null) return location.replace(main.dataset.to ?? "/");
  const answer = await fetch("/api/auth/exchange", {
    method: "POST",
    headers: { "content-type": "application/json", accept: "application/json" },
    body: JSON.stringify({ code }),
  });
  if (answer.ok) {
    const { token, to } = await answer.json();
    localStorage.setItem("errand.token", token);
    return location.replace(to);
  }
  const { error } = await answer.json();
  state.textContent = `${error.message} The pages work all the same.`;
}

signIn().catch(() => {
  state.textContent = "errand did not answer. The link below goes on.";
});
