package scim

import "bytes"

// HeadFaults judges the fields of a request's head that SCIM and AWS need.
// authorizations is the number of Authorization fields, named whether the
// User-Agent says something.
func HeadFaults(t Target, authorizations int, authorization, contentType []byte, named bool) (faults []Fault) {
	switch _, kind := splitAuthorization(authorization); {
	case authorizations > 1:
		faults = append(faults, Fault{Kind: AuthorizationTwice})
	case kind != 0:
		faults = append(faults, Fault{Kind: kind, End: len(authorization)})
	}
	if t.Operation.HasBody() && !isSCIM(contentType) {
		faults = append(faults, Fault{Kind: ContentTypeForm, End: len(contentType)})
	}
	if !named {
		faults = append(faults, Fault{Kind: UserAgentMissing})
	}
	return faults
}

// Token is the bearer token of an Authorization field without its scheme; nil if
// there is none that could be sent on. It is a part of the field's own bytes.
func Token(authorization []byte) []byte {
	token, kind := splitAuthorization(authorization)
	if kind == AuthorizationAbsent || kind == AuthorizationForm {
		return nil
	}
	return token
}

// splitAuthorization takes Bearer off, once or twice (RFC 6750 §2.1). A token
// without it is taken as it is, unless the first word is another scheme.
func splitAuthorization(value []byte) (token []byte, kind Kind) {
	value = bytes.TrimSpace(value)
	if len(value) == 0 {
		return nil, AuthorizationAbsent
	}
	token = value
	schemes := 0
	for {
		word, rest, found := bytes.Cut(token, []byte(" "))
		if !bytes.EqualFold(word, []byte("bearer")) {
			break
		}
		if rest = bytes.TrimSpace(rest); !found || len(rest) == 0 {
			return nil, AuthorizationAbsent
		}
		token = rest
		schemes++
	}
	if !isToken(token) {
		return nil, AuthorizationForm
	}
	switch schemes {
	case 0:
		return token, BearerMissing
	case 1:
		return token, 0
	}
	return token, BearerDoubled
}

// isToken tells whether a text is a b64token (RFC 6750 §2.1), or has the backslash
// that tokens of AWS were seen with (awslabs/ssosync, template.yaml).
func isToken(s []byte) bool {
	for _, c := range s {
		if !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9') && bytes.IndexByte([]byte(`-._~+/=\`), c) < 0 {
			return false
		}
	}
	return len(s) > 0
}

// isSCIM tells whether a Content-Type is one of SCIM's two, in UTF-8 (RFC 7644
// §8.1; application/json is what Google and others send).
func isSCIM(contentType []byte) bool {
	media, parameters, _ := bytes.Cut(contentType, []byte(";"))
	media, parameters = bytes.TrimSpace(media), bytes.TrimSpace(parameters)
	if !bytes.EqualFold(media, []byte("application/scim+json")) && !bytes.EqualFold(media, []byte("application/json")) {
		return false
	}
	return len(parameters) == 0 || bytes.EqualFold(parameters, []byte("charset=utf-8")) || bytes.EqualFold(parameters, []byte(`charset="utf-8"`))
}
