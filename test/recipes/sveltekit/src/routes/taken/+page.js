export { load } from '#page';
