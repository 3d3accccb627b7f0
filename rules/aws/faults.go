package aws

import (
	"github.com/scimgate/scimgate/rules"
	"github.com/scimgate/scimgate/rules/scim"
)

const (
	notFound  = "404 without a SCIM document"
	ourSafety = "not forwarded: two parsers could read it differently"
	urlPage   = "IAM Identity Center user guide, how to provision with SCIM"
)

// fault declares what is to be said of something that a parser met. mends tells
// that one reading is left, in which the request goes on.
func fault(id string, kind scim.Kind, mends bool, title, fix, answer, where string) rules.Rule {
	d := rules.Reject
	if mends {
		d = rules.Repaired
	}
	return rules.Rule{
		ID: id, Title: title, Fix: fix, AWS: answer, Fault: kind, Default: d,
		Source: rules.Source{Strength: rules.Documented, Where: where},
	}
}

// answered sets the status and scimType with which rules refuse.
func answered(status int, scimType string, declared ...rules.Rule) []rules.Rule {
	for i := range declared {
		if declared[i].Status == 0 {
			declared[i].Status, declared[i].ScimType = status, scimType
		}
	}
	return declared
}

const (
	checkBase = "In Okta: compare the Base URL in the app's Provisioning settings with the one that the gateway shows, and save it without a slash at the end."
	byClient  = "Nothing to do; it is put right. The client sends it so."
	badClient = "The client sends what no SCIM client should. Look for a proxy in between that changes requests."
)

// urls are the faults of a request target.
var urls = answered(404, "",
	fault("SG101", scim.TrailingSlash, true, "the URL ends in a slash", "In Okta: remove the slash at the end of the Base URL.", notFound, "IAM Identity Center user guide, Okta: remove the trailing slash"),
	fault("SG102", scim.DoubledSlash, true, "the URL has two slashes in a row", "In Okta: remove the slash at the end of the Base URL.", notFound, "observed with clients that join Base URL and path by a slash of their own, awslabs/ssosync"),
	fault("SG103", scim.BaseMissing, true, "the URL lacks /scim/v2", checkBase, notFound, urlPage),
	fault("SG104", scim.BaseDoubled, true, "the URL has /scim/v2 twice", checkBase, notFound, urlPage),
	fault("SG105", scim.SlashMissing, true, "the slash before the resource type is missing", checkBase, notFound, "mitodl/keycloak-scim#73, 2024-08; PingFederate provisioner 1.1.0.6"),
	fault("SG106", scim.ResourceTypeCase, true, "the URL is not written in the case that AWS knows", byClient, notFound, urlPage),
	fault("SG107", scim.NeedlessEncoding, true, "the URL percent-encodes characters that need none", byClient, notFound, "RFC 3986 §6.2.2.2"),
	fault("SG108", scim.BlankAround, true, "a blank stands before or behind the URL", "In Okta: delete the blank in the Base URL; it was pasted along.", notFound, "RFC 3986 §2"),
	fault("SG109", scim.EmptyQuery, true, "the URL ends in a question mark", byClient, "not known", "goauthentik/authentik#11249: OneLogin sends it so"),
	fault("SG110", scim.UnknownBase, false, "the URL does not begin with the gateway's Base URL", checkBase, notFound, urlPage),
	fault("SG111", scim.UnknownResourceType, false, "the URL names no resource type that AWS has: Users or Groups", checkBase, notFound, "SCIM developer guide, supported operations"),
	fault("SG112", scim.DotSegment, false, "the URL has a segment of dots", badClient, ourSafety, "RFC 3986 §5.2.4"),
	fault("SG113", scim.EncodedSlash, false, "the URL has a backslash or an encoded slash", badClient, ourSafety, "RFC 3986 §2.2"),
	fault("SG114", scim.ControlCharacter, false, "the URL has a control character", badClient, ourSafety, "RFC 3986 §2"),
	fault("SG115", scim.AbsoluteForm, false, "the request target is a whole URL instead of a path", badClient, ourSafety, "RFC 9112 §3.2.2"),
	fault("SG116", scim.Fragment, false, "the URL has a fragment", badClient, ourSafety, "RFC 9112 §3.2"),
	fault("SG117", scim.BadEncoding, false, "the URL has a percent sign without two hex digits behind it, or bytes that are not UTF-8", badClient, ourSafety, "RFC 3986 §2.1"),
	answered(501, "", fault("SG118", scim.UnsupportedEndpoint, false, "AWS has no such endpoint", "The client has to use /Users and /Groups; in Okta there is nothing to set.", notFound, "SCIM developer guide, limitations: /Me, /Bulk and /.search"))[0],
	answered(405, "", fault("SG119", scim.MethodNotAllowed, false, "the method does not fit the URL", badClient, notFound, "RFC 7644 §3.2"))[0],
	fault("SG120", scim.BadID, false, "the id in the URL is none that AWS assigns", "In Okta: unassign the user or unlink the group, and assign or push it again.", "404", "Identity Store API reference, CreateUser"),
	answered(414, "", fault("SG121", scim.TargetTooLong, false, "the URL is longer than 8 KiB", "The client has to ask for less at once: one filter, few attributes.", "not known", "RFC 9110 §15.5.15; a bound of the gateway"))[0],
)

// heads are the faults of a request's head.
var heads = answered(401, "",
	fault("SG130", scim.ContentTypeForm, true, "the Content-Type is not that of SCIM", byClient, "not known", "RFC 7644 §8.1"),
	fault("SG131", scim.UserAgentMissing, true, "the request has no User-Agent", byClient, "403 to a PATCH", "PingFederate provisioner 1.1.0.3, 2025-11; goauthentik/authentik#11249"),
	fault("SG132", scim.BearerDoubled, true, "the token has Bearer in front of it twice", "In Okta: paste the token without the word Bearer.", "401", "sourcegraph/docs#1744"),
	fault("SG133", scim.BearerMissing, true, "the token has no Bearer in front of it", "In Okta: choose HTTP Header with the token alone, or type Bearer and a blank before it.", "401", "grokability/snipe-it#13901"),
	fault("SG134", scim.AuthorizationAbsent, false, "the request has no token", "In Okta: paste the access token from IAM Identity Center (Settings, Automatic provisioning) into the app's API token.", "401", "SCIM developer guide, making API requests"),
	fault("SG135", scim.AuthorizationForm, false, "the Authorization header holds no bearer token", "In Okta: paste the access token from IAM Identity Center (Settings, Automatic provisioning) into the app's API token, and nothing else.", "401", "RFC 6750 §2.1"),
	fault("SG137", scim.TokenUnknown, false, "the token is none of the gateway's", "In Okta: paste the token that the gateway's operator made with scimgate token, not AWS's own.", "401", "RFC 6750 §3.1"),
	answered(400, "invalidSyntax", fault("SG136", scim.AuthorizationTwice, false, "the request has two Authorization headers", badClient, ourSafety, "RFC 9110 §5.3"))[0],
)

// texts are the faults of a JSON text.
var texts = answered(400, "invalidSyntax",
	fault("SG201", scim.NotJSON, false, "the body is not JSON", badClient, "400: Invalid JSON from RequestBody", "IAM Identity Center user guide, logging SCIM calls with CloudTrail"),
	fault("SG202", scim.DuplicateName, false, "an object has the same name twice", badClient, ourSafety, "RFC 8259 §4; RFC 7643 §2.1: names are case-insensitive"),
	fault("SG203", scim.NotUTF8, false, "the body is not UTF-8", badClient, ourSafety, "RFC 8259 §8.1"),
	fault("SG204", scim.LoneSurrogate, false, "a text has half of a surrogate pair", badClient, ourSafety, "RFC 8259 §8.2"),
	fault("SG205", scim.TooDeep, false, "the body is nested deeper than 32 levels", badClient, ourSafety, "a bound of the gateway; SCIM needs five"),
	fault("SG206", scim.TooLarge, false, "the body has too many values, or a number that does not fit", badClient, ourSafety, "a bound of the gateway"),
	fault("SG207", scim.BodyMissing, false, "the request has no body", badClient, unparsable, "RFC 7644 §3.3, §3.5"),
	fault("SG208", scim.BodyUnexpected, false, "the request has a body, and must have none", badClient, ourSafety, "RFC 9110 §9.3.1, §9.3.5"),
	answered(400, "invalidValue", fault("SG210", scim.ListInPlace, false, "the body is a list of resources where one belongs", "The client read a list where it asked for one resource, and sends it back. In Okta: unassign the user and assign it again.", unparsable, "RFC 7644 §3.4.2; Stack Overflow 77524118: Okta PUTs what its GET was answered with"))[0],
	fault("SG209", scim.NotAnObject, false, "the body is not a JSON object", badClient, unparsable, "RFC 7643 §3"),
)

// queries are the faults of a query.
var queries = answered(400, "invalidFilter",
	fault("SG701", scim.PlusForSpace, true, "the filter has + for a blank", byClient, "none: AWS reads it so too", "slashdevops/idp-scim-sync#75"),
	fault("SG702", scim.OperatorCase, true, "a filter operator is not written in lower case", byClient, "400: Invalid Filter format", "RFC 7644 §3.4.2.2: operators are case-insensitive"),
	fault("SG703", scim.ParameterUnsupported, true, "AWS does not know the query parameter {note}", byClient, "not known", "SCIM developer guide, ListUsers and ListGroups"),
	fault("SG704", scim.FilterSyntax, false, "the filter is not well-formed: {note}", "The client has to send a filter such as userName eq \"ada@example.com\".", "400: Invalid Filter format", "RFC 7644 §3.4.2.2"),
	fault("SG705", scim.FilterUnsupported, false, "AWS does not support this filter; it supports {note}", "In Entra ID: match on one attribute, userName, and displayName for groups. In other clients: look up by one of the supported attributes.", "400: Invalid Filter format", "SCIM developer guide, ListUsers, ListGroups and limitations"),
	fault("SG708", scim.ValueUnquoted, true, "the filter compares with a value that has no quotes", "The client has to send a filter such as userName eq \"ada@example.com\".", "400: Invalid Filter format", "RFC 7644 §3.4.2.2; a value of one word has one reading"),
	fault("SG709", scim.ValueEmpty, false, "the filter compares {note} with an empty text, which nobody has", "In Okta: give the user a Username, or the group a name. In Entra ID: fill in the attribute that is matched on.", "not known", "Identity Store API reference: texts have at least one character"),
	answered(400, "invalidValue", fault("SG706", scim.BadNumber, false, "{note} is not a number", "The client has to send a number.", "400", "RFC 7644 §3.4.2.4"))[0],
	answered(400, "invalidSyntax", fault("SG707", scim.RepeatedParameter, false, "the query has {note} twice", badClient, ourSafety, "RFC 7644 §3.4.2"))[0],
)

// said declares what is told of an answer of AWS, or of a guard of the gateway.
func said(id string, kind scim.Kind, title, fix, why, answer string, source rules.Source) rules.Rule {
	return rules.Rule{ID: id, Title: title, Fix: fix, Why: why, AWS: answer, Fault: kind, Default: rules.Reject, Source: source}
}

func documented(where string) rules.Source {
	return rules.Source{Strength: rules.Documented, Where: where}
}

func observed(where string) rules.Source {
	return rules.Source{Strength: rules.Observed, Where: where}
}

const ourGuard = "none: AWS carries it out"

// guards are what the gateway holds back or tells of, though AWS would do it.
var guards = []rules.Rule{
	said("SG801", scim.ProtectedGroup, "a protected group is not deleted, renamed or emptied: {note}", "Change its members, not its name; to delete, rename or empty it, take its name off guard.protected, or do it in IAM Identity Center.",
		"Sync tools delete the groups that they do not know. Those of AWS Control Tower are among them, and with them goes everybody's access to the management account. Members of a protected group can be added and removed.",
		ourGuard, observed("awslabs/ssosync#88, #105")),
	said("SG802", scim.HeldBack, "too much is taken away at once: {note}", "If it is meant, release it for a while: scimgate guard release; else look why the client believes that these people have gone.",
		"A client that reads an empty source, after a time-out for instance, deletes everybody. Users that are deleted and made anew get other ids, and lose what is assigned to them in AWS.",
		ourGuard, observed("awslabs/ssosync#194, #236")),
	warned(said("SG803", scim.Recreated, "a user of this userName was deleted a while ago and is made anew", "Look why the client deletes and creates instead of updating. In IAM Identity Center: assign the permission sets again, by groups rather than by users.",
		"The new user has another id; assignments stay with the old one, and access is lost.",
		ourGuard, documented("IAM Identity Center user guide, troubleshooting"))),
}

func warned(r rules.Rule) rules.Rule {
	r.Default = rules.Warn
	return r
}

const (
	enabling = "SCIM developer guide, error handling; IAM Identity Center user guide, provision automatically"
	renewal  = "In IAM Identity Center: Settings, Automatic provisioning, generate a new token; in Okta: paste it as the app's API token."
)

// answers are what AWS says no with when the request was sound.
var answers = []rules.Rule{
	answered(400, "invalidValue", said("SG901", scim.Unexplained, "AWS refuses the request, and no rule explains why: {note}",
		"Look at the attributes that are named, first at what was changed last; AWS support can look the call up by its request id.",
		"AWS's text names nothing. What is suspected stands in the order of likelihood: what a rule has warned of, what was changed since the version that AWS accepted, what AWS is known to dislike.",
		unparsable, documented("SCIM developer guide, error handling")))[0],
	answered(401, "", said("SG902", scim.TokenRefused, "AWS does not accept the token", renewal,
		"A token is valid for one year, and belongs to the Base URL that it was made with: each enabling of provisioning makes a new URL. A wrong tenant id in the URL is answered in the same way. Two tokens can be valid at once, so a new one can be tried before the old one is deleted.",
		"401", documented(enabling)))[0],
	answered(403, "", said("SG903", scim.NotPermitted, "AWS does not allow this with the token", "In IAM Identity Center: check that the identity source is an external identity provider and automatic provisioning is enabled.",
		"", "403", documented(enabling)))[0],
	answered(404, "", said("SG904", scim.UserGone, "AWS has no user with this id; it was deleted there", "In Okta: unassign the user from the app and assign it again.",
		"Okta keeps the id that AWS gave. A user that is deleted in AWS by hand leaves Okta with an id of nobody; it is not made anew here, since it would get another id.",
		"404", documented("SCIM developer guide, GetUser; Okta help, linked objects")))[0],
	answered(404, "", said("SG905", scim.GroupGone, "AWS has no group with this id; it was deleted there", "In Okta: unlink the pushed group, and push it again.",
		"", "404", documented("SCIM developer guide, GetGroup; Okta help, linked objects")))[0],
	answered(409, "uniqueness", said("SG906", scim.DuplicateUser, "AWS refuses a duplicate user: {note}", "In Okta: import the user and link it, or change or delete the one at AWS.",
		"userName, externalId and the primary e-mail belong to one user each, also of those who were made by hand in AWS. AWS's answer never says which of them is taken, so the gateway looks up userName and externalId; e-mails cannot be looked up. The setting adopt: matching links a user of the same userName and no other externalId.",
		"409: Refused to create a new, duplicate resource.", documented("IAM Identity Center user guide, troubleshooting")))[0],
	answered(409, "uniqueness", said("SG907", scim.DuplicateGroup, "AWS refuses a duplicate group: {note}", "In Okta: link the push group to it, or rename one of the two.",
		"A group's displayName and externalId are unique in AWS. Groups made by hand or by AWS Control Tower take names too. The setting adopt: matching links a group of the same displayName and no other externalId.",
		"409: Refused to create a new, duplicate resource.", documented("IAM Identity Center user guide, logging SCIM calls with CloudTrail: Duplicate GroupDisplayName")))[0],
	answered(400, "invalidValue", said("SG908", scim.MemberUnknown, "AWS does not know some of the members: {note}", "In Okta: assign these people to the app, and if they are, unassign and assign them again; then push the group. Use one group for assignment and another for push.",
		"AWS refuses a whole change of members for one id that it doesn't know. The gateway carries out the removals and the additions that AWS knows, and names the rest.",
		"400 or 404", observed("fleetdm/fleet#52600; Okta help, group push")))[0],
	answered(400, "invalidValue", said("SG909", scim.MemberIsGroup, "a group is to be a member of a group: {note}", "In Okta: push the inner group's people; AWS has no nested groups.",
		"", unparsable, documented("IAM Identity Center user guide, users and groups provisioning")))[0],
	warned(said("SG912", scim.LeftBehind, "AWS refuses {note}; the deactivation, and all else, is carried out", "Mend it in the user's profile, then reactivate or update the user.",
		"A deactivation waits for nothing. What AWS refuses beside it is left as it was.",
		unparsable, documented("SCIM developer guide, PatchUser"))),
	warned(said("SG911", scim.SecondValue, "a second value is left out; AWS keeps one: {note}", "In Entra ID or Okta: map one value alone, the one of type work.",
		"AWS holds one e-mail, one phone number and one address. A PATCH that sets another beside it, by its type, is refused.",
		"400: List attribute phoneNumbers exceeds allowed limit of 1", documented("SCIM developer guide, limitations; Microsoft's tutorial for AWS IAM Identity Center"))),
	said("SG910", scim.Unconfirmed, "the deactivation is not confirmed by AWS: the user may still have access", "Nothing to do in Okta, but Okta shows the user as deactivated already. Look at the list of open deactivations: scimgate leavers.",
		"A deactivation is believed only when AWS's own answer shows active false. Okta shows a person as deactivated even when the call has failed.",
		"any failure", observed("FusionAuth/fusionauth-issues#1871; OneUptime pull request 3852")),
}

// suspects are attributes that AWS is known to dislike, the likeliest first, for a
// refusal that no rule foresaw.
var suspects = []rules.Suspect{
	{Path: "roles", Why: "AWS's documents contradict each other on roles"},
	{Path: enterprise + ":manager", Why: "AWS may know nobody with this id"},
	{Path: "addresses", Why: "AWS's guide demands all five parts or none"},
	{Path: "locale", Why: "AWS may want a language tag such as en-US"},
	{Path: "preferredLanguage", Why: "AWS may want a language tag such as en-US"},
	{Path: "timezone", Why: "AWS may want a name such as Europe/London"},
	{Path: "profileUrl", Why: "AWS may want a whole URL"},
	{Path: "externalId", Why: "a colon in it was refused in 2022", Holds: ":"},
	{Path: "phoneNumbers", Why: "pasted numbers often hold invisible characters"},
	{Path: enterprise, Why: "the extension is accepted, but rarely used"},
}

// filters are those that AWS carries out, with eq (SCIM developer guide,
// ListUsers, ListGroups). Two names in a row mean a pair joined by and.
var filters = map[scim.Operation][][]string{
	scim.ListUsers:  {{"userName"}, {"externalId"}, {"groups.value"}, {"id"}, {"id", "manager"}},
	scim.ListGroups: {{"displayName"}, {"externalId"}, {"members.value"}, {"id"}, {"id", "members"}, {"id", "members.value"}},
}
