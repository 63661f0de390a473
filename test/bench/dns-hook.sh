# Sets and clears a TXT record of pebble-challtestsrv at $DNS_MANAGEMENT, as the hooks of lego (exec), dehydrated and
# certbot (manual) call it; acme.sh takes the file for a DNS API of its own, named dns_lab.
txt_set() { curl -sS -o /dev/null -d "{\"host\":\"${1%.}.\",\"value\":\"$2\"}" "$DNS_MANAGEMENT/set-txt"; }
txt_clear() { curl -sS -o /dev/null -d "{\"host\":\"${1%.}.\"}" "$DNS_MANAGEMENT/clear-txt"; }
dns_lab_add() { txt_set "$1" "$2"; }
dns_lab_rm() { txt_clear "$1"; }
case "$0 $1" in
  *dns-hook.sh\ present) txt_set "$2" "$3" ;;
  *dns-hook.sh\ cleanup) txt_clear "$2" ;;
  *dns-hook.sh\ deploy_challenge) txt_set "_acme-challenge.$2" "$4" ;;
  *dns-hook.sh\ clean_challenge) txt_clear "_acme-challenge.$2" ;;
  *dns-hook.sh\ certbot-auth) txt_set "_acme-challenge.$CERTBOT_DOMAIN" "$CERTBOT_VALIDATION" ;;
  *dns-hook.sh\ certbot-cleanup) txt_clear "_acme-challenge.$CERTBOT_DOMAIN" ;;
esac
