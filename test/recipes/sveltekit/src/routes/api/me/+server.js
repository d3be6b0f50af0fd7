export function GET({ cookies, url }) {
  return url.searchParams.has('down') ? new Response(null, { status: 503 }) : Response.json(cookies.get('user'));
}
