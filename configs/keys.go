package configs

import (
	"reflect"
	"strings"
	"time"
)

// Key is one setting by its three names.
type Key struct {
	Name    string // in the file: "upstream.timeout"
	Flag    string // "upstream-timeout"
	Env     string // "SCIMGATE_UPSTREAM_TIMEOUT"
	Short   string // another, shorter flag, "" for most
	Doc     string // what it says, one line
	Default string // as shown to people
	kind    reflect.Type
}

// Bool tells whether the key is a switch that needs no value as a flag.
func (k Key) Bool() bool { return k.kind.Kind() == reflect.Bool }

// shorts are flags that are typed often.
var shorts = map[string]string{
	"upstream.url":                   "upstream",
	"upstream.insecure":              "insecure-upstream",
	"listen.address":                 "listen",
	"listen.tls_terminated_in_front": "tls-terminated-in-front",
	"admin.address":                  "admin",
	"audit.file":                     "audit",
}

// docs say of each key what it is for, and its default.
var docs = map[string][2]string{
	"policy":                         {"repair, strict (refuse what a person entered rather than change it) or observe (forward everything as it came)", "repair"},
	"address":                        {"an incomplete address: complete (from what AWS has, else left out), reject or partial (forward the parts)", "complete"},
	"contract":                       {"what the upstream accepts: aws, or none for a plain store of RFC 7644 (URL, JSON, pacing and audit stay)", "aws"},
	"adopt":                          {"a create of what AWS has under the same name: never, or matching to take that one unless its externalId contradicts", "never"},
	"delete_users":                   {"a DELETE of a user: delete, or deactivate instead", "delete"},
	"list_members":                   {"members of groups in lists, which AWS leaves empty: leave_out, or fill by a walk for each group", "leave_out"},
	"schemas_every":                  {"how often AWS's own list of attributes is compared with the table of the rules", "24h"},
	"tokens.file":                    {"hashes of gateway tokens, where the gateway holds AWS's token itself; scimgate token makes them", ""},
	"tokens.upstream":                {"AWS's token, file:PATH or env:NAME; read again when the file changes", ""},
	"tokens.expires":                 {"the day on which AWS's token ends, as 2027-03-31, for warnings from 90 days before", "a year from its first use"},
	"guard.window":                   {"in which losses are counted", "1h"},
	"guard.user_deletes.mode":        {"mass deletions of users: hold, alarm or off", "hold"},
	"guard.user_deletes.floor":       {"so many within the window are always allowed", "20"},
	"guard.user_deletes.share":       {"and this part of all users, if their number is known", "0.05"},
	"guard.group_deletes.mode":       {"deletions of groups with members: hold, alarm or off", "alarm"},
	"guard.group_deletes.floor":      {"so many within the window are always allowed", "5"},
	"guard.group_deletes.share":      {"unused: how many groups there are isn't known", "0"},
	"guard.deactivations.mode":       {"mass deactivations: hold, alarm or off", "alarm"},
	"guard.deactivations.floor":      {"so many within the window are always allowed", "50"},
	"guard.deactivations.share":      {"and this part of all users, if their number is known", "0.05"},
	"guard.removals.mode":            {"mass removals of members: hold, alarm or off", "alarm"},
	"guard.removals.floor":           {"so many within the window are always allowed", "500"},
	"guard.removals.share":           {"and this part of all users, if their number is known", "0.2"},
	"guard.protected":                {"groups that can't be deleted, renamed or emptied", "those of AWS Control Tower"},
	"replicas.redis":                 {"where there are several gateways: the URL of Redis or Valkey, which decides which of them writes", ""},
	"replicas.ca_file":               {"PEM certificates to trust for rediss:// in place of the system's", ""},
	"replicas.password_file":         {"its PASSWORD, or USER:PASSWORD", ""},
	"replicas.group":                 {"what those have in common of which one writes", "scimgate"},
	"replicas.name":                  {"of this one", "the host's name"},
	"replicas.count":                 {"how many there are; without Redis each has so large a part of the pace", "2"},
	"replicas.lease":                 {"how long the one that writes may be unheard of before another takes over", "10s"},
	"replicas.without":               {"while Redis can't be reached: share (each goes on with its part of the pace) or hold (clients are told to come again)", "share"},
	"roles":                          {"roles of users: leave_out, as AWS's guide for Okta has it, or pass", "leave_out"},
	"listen.address":                 {"host:port for SCIM clients", "127.0.0.1:8080"},
	"listen.tls_terminated_in_front": {"something else does TLS in front, so another address than the loopback may be listened on", "false"},
	"listen.cert_file":               {"PEM certificates of the listener, read again when they change; TLS 1.2 at least", ""},
	"listen.key_file":                {"PEM key of the certificate", ""},
	"listen.client_ca_file":          {"ask clients for a certificate of these authorities", ""},
	"listen.allow":                   {"networks that clients may come from, all if there is none", ""},
	"listen.trusted_proxies":         {"networks whose X-Forwarded-For is believed", ""},
	"admin.token_file":               {"bearer token that the admin listener wants; needed beyond the loopback", ""},
	"listen.max_body_bytes":          {"of a request", "16MiB"},
	"listen.max_bodies_bytes":        {"of the large bodies together that are being read or carried out, those above 16 KiB; others wait", "32MiB"},
	"listen.max_head_bytes":          {"request line and headers", "16KiB"},
	"listen.max_conns":               {"open at once", "1024"},
	"listen.max_conns_per_address":   {"of one client's address, but for trusted proxies", "512"},
	"listen.read_timeout":            {"for a whole request to arrive", "20s"},
	"listen.idle_timeout":            {"between two requests", "75s"},
	"listen.drain_delay":             {"at SIGTERM, between failing readiness and closing the listener", "5s; 0 on the loopback"},
	"listen.shutdown_within":         {"at SIGTERM, for what is under way", "25s"},
	"admin.address":                  {"host:port of health, metrics and orders; off for none", "127.0.0.1:8081"},
	"upstream.url":                   {"the SCIM endpoint that IAM Identity Center shows under Automatic provisioning", ""},
	"upstream.ca_file":               {"PEM certificates to trust in place of the system's", ""},
	"upstream.insecure":              {"allow http:// to another host than the loopback", "false"},
	"upstream.reuse":                 {"which calls may go out on a used connection: reads, or all; a write on one may be left in doubt", "reads"},
	"upstream.max_conns":             {"open at once", "128"},
	"upstream.max_response_bytes":    {"of an answer's body", "4MiB"},
	"upstream.connect_timeout":       {"name, TCP and TLS together", "5s"},
	"upstream.timeout":               {"of one call", "30s"},
	"upstream.idle_timeout":          {"after which an unused connection is not trusted", "20s"},
	"audit.file":                     {"the audit log; - is standard output, best effort", ""},
	"audit.key_file":                 {"key of the digests, 32 bytes at least", "made once as FILE.key"},
	"audit.rotate_size":              {"a segment of the log ends when it has so many bytes; -1 never", "64MiB"},
	"audit.rotate_age":               {"and when it is so old; negative never", "24h"},
	"audit.keep":                     {"closed segments that stay, the oldest go first; 0 keeps all", "0"},
	"pace.writes.per_second":         {"writes to AWS, which takes 25", "20"},
	"pace.writes.burst":              {"writes at once", "5"},
	"pace.reads.per_second":          {"reads of AWS, which takes 40", "32"},
	"pace.reads.burst":               {"reads at once", "8"},
	"pace.memberships.per_second":    {"membership changes, of which AWS publishes no figure", "100"},
	"pace.memberships.burst":         {"membership changes at once", "100"},
	"audit.reserve":                  {"bytes of the disk that are taken in advance, so that what takes access away goes through on a full one; negative for none", "4MiB"},
	"audit.signing_key_file":         {"Ed25519 key of checkpoints, PEM of PKCS #8", "made once as FILE.signing, its public part as FILE.pub"},
	"audit.checkpoint_every":         {"how long records wait for a signed checkpoint, which the log on standard error tells as well", "1m"},
	"audit.checkpoint_file":          {"takes each checkpoint as a line, for a disk that the gateway's host can't rewrite", ""},
	"pace.settle":                    {"how long a resource is left alone after a write of which it isn't known what became", "30s"},
	"pace.max_waiting":               {"calls that may wait for their budget", "1024"},
	"client.patience":                {"how long the client waits for an answer, less a margin", "55s"},
	"client.retry_status":            {"what the client repeats by itself: 429 (Okta) or 503", "429"},
	"log.level":                      {"debug, info, warn or error, on standard error", "info"},
}

// Keys are all settings that are one value, in the order of their declaration.
// rules and templates, which are maps, are set in the file alone.
func Keys() []Key {
	var keys []Key
	walk(reflect.TypeFor[Config](), "", func(name string, kind reflect.Type) {
		keys = append(keys, Key{
			Name: name, Flag: strings.NewReplacer(".", "-", "_", "-").Replace(name),
			Env:   "SCIMGATE_" + strings.ToUpper(strings.ReplaceAll(name, ".", "_")),
			Short: shorts[name], Doc: docs[name][0], Default: docs[name][1], kind: kind,
		})
	})
	return keys
}

// walk visits the leaves of a struct by their yaml tags.
func walk(t reflect.Type, prefix string, visit func(name string, kind reflect.Type)) {
	for i := range t.NumField() {
		f := t.Field(i)
		tag, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case tag == "-" || f.Type.Kind() == reflect.Map:
		case options == "inline":
			walk(f.Type, prefix, visit)
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[time.Duration]():
			walk(f.Type, prefix+tag+".", visit)
		default:
			visit(prefix+tag, f.Type)
		}
	}
}
