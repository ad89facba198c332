/** The pages' scripts are served as they are: importing one gives its text. */
declare module "*.client.js" {
  const text: string;
  export default text;
}
