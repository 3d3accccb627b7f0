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
)

// heads are the faults of a request's head.
var heads = answered(401, "",
	fault("SG130", scim.ContentTypeForm, true, "the Content-Type is not that of SCIM", byClient, "not known", "RFC 7644 §8.1"),
	fault("SG131", scim.UserAgentMissing, true, "the request has no User-Agent", byClient, "403 to a PATCH", "PingFederate provisioner 1.1.0.3, 2025-11; goauthentik/authentik#11249"),
	fault("SG132", scim.BearerDoubled, true, "the token has Bearer in front of it twice", "In Okta: paste the token without the word Bearer.", "401", "sourcegraph/docs#1744"),
	fault("SG133", scim.BearerMissing, true, "the token has no Bearer in front of it", "In Okta: choose HTTP Header with the token alone, or type Bearer and a blank before it.", "401", "grokability/snipe-it#13901"),
	fault("SG134", scim.AuthorizationAbsent, false, "the request has no token", "In Okta: paste the access token from IAM Identity Center (Settings, Automatic provisioning) into the app's API token.", "401", "SCIM developer guide, making API requests"),
	fault("SG135", scim.AuthorizationForm, false, "the Authorization header holds no bearer token", "In Okta: paste the access token from IAM Identity Center (Settings, Automatic provisioning) into the app's API token, and nothing else.", "401", "RFC 6750 §2.1"),
	answered(400, "invalidSyntax", fault("SG136", scim.AuthorizationTwice, false, "the request has two Authorization headers", badClient, ourSafety, "RFC 9110 §5.3"))[0],
)

// texts are the faults of a JSON text.
var texts = answered(400, "invalidSyntax",
	fault("SG201", scim.NotJSON, false, "the body is not JSON", badClient, "400: Invalid JSON from RequestBody", "IAM Identity Center user guide, logging SCIM calls with CloudTrail"),
	fault("SG202", scim.DuplicateName, false, "an object has the same name twice", badClient, ourSafety, "RFC 8259 §4; RFC 7643 §2.1: names are case-insensitive"),
	fault("SG203", scim.NotUTF8, false, "the body is not UTF-8", badClient, ourSafety, "RFC 8259 §8.1"),
	fault("SG204", scim.LoneSurrogate, false, "a text has half of a surrogate pair", badClient, ourSafety, "RFC 8259 §8.2"),
	fault("SG205", scim.TooDeep, false, "the body is nested deeper than 32 levels", badClient, ourSafety, "a bound of the gateway; SCIM needs five"),
	answered(413, "tooMany", fault("SG206", scim.TooLarge, false, "the body has too many values, or a number that does not fit", badClient, ourSafety, "a bound of the gateway"))[0],
	fault("SG207", scim.BodyMissing, false, "the request has no body", badClient, unparsable, "RFC 7644 §3.3, §3.5"),
	fault("SG208", scim.BodyUnexpected, false, "the request has a body, and must have none", badClient, ourSafety, "RFC 9110 §9.3.1, §9.3.5"),
	fault("SG209", scim.NotAnObject, false, "the body is not a JSON object", badClient, unparsable, "RFC 7643 §3"),
)

// queries are the faults of a query.
var queries = answered(400, "invalidFilter",
	fault("SG701", scim.PlusForSpace, true, "the filter has + for a blank", byClient, "none: AWS reads it so too", "slashdevops/idp-scim-sync#75"),
	fault("SG702", scim.OperatorCase, true, "a filter operator is not written in lower case", byClient, "400: Invalid Filter format", "RFC 7644 §3.4.2.2: operators are case-insensitive"),
	fault("SG703", scim.ParameterUnsupported, true, "AWS does not know the query parameter {note}", byClient, "not known", "SCIM developer guide, ListUsers and ListGroups"),
	fault("SG704", scim.FilterSyntax, false, "the filter is not well-formed: {note}", "The client has to send a filter such as userName eq \"ada@example.com\".", "400: Invalid Filter format", "RFC 7644 §3.4.2.2"),
	fault("SG705", scim.FilterUnsupported, false, "AWS does not support this filter; it supports {note}", "In Entra ID: match on one attribute, userName. In other clients: look up by one of the supported attributes.", "400: Invalid Filter format", "SCIM developer guide, ListUsers, ListGroups and limitations"),
	answered(400, "invalidValue", fault("SG706", scim.BadNumber, false, "{note} is not a number", "The client has to send a number.", "400", "RFC 7644 §3.4.2.4"))[0],
	answered(400, "invalidSyntax", fault("SG707", scim.RepeatedParameter, false, "the query has {note} twice", badClient, ourSafety, "RFC 7644 §3.4.2"))[0],
)

// filters are those that AWS carries out, with eq (SCIM developer guide,
// ListUsers, ListGroups). Two names in a row mean a pair joined by and.
var filters = map[scim.Operation][][]string{
	scim.ListUsers:  {{"userName"}, {"externalId"}, {"groups.value"}, {"id"}, {"id", "manager"}},
	scim.ListGroups: {{"displayName"}, {"externalId"}, {"members.value"}, {"id"}, {"id", "members"}},
}
