package aws

import "github.com/scimgate/scimgate/rules"

// Lengths of the Identity Store API reference (CreateUser, CreateGroup), which
// the SCIM endpoint passes values on to.
const (
	maxText       = 1024
	maxUserName   = 128
	maxExternalID = 256
)

// Enterprise is the URN of the enterprise extension.
const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

const (
	text  = rules.Optional
	multi = rules.Optional | rules.Multi
)

// users is what AWS accepts of a user (SCIM developer guide, CreateUser, PutUser,
// PatchUser and limitations; lengths by the Identity Store API reference).
var users = []rules.Attribute{
	{Path: "schemas", Type: rules.Anything},
	{Path: "id", Traits: rules.ReadOnly},
	{Path: "meta", Type: rules.Anything, Traits: rules.Noise},
	{Path: "externalId", Traits: text | rules.Identifier | rules.Unspaced, Max: maxExternalID, Field: "External ID", Entra: "objectId"},
	{Path: "userName", Traits: rules.Required | rules.Identifier | rules.Unspaced, Max: maxUserName, Field: "Username", Entra: "userPrincipalName"},
	{Path: "name", Type: rules.Complex, Traits: rules.Required, Field: "First name and Last name"},
	{Path: "name.formatted", Traits: text, Max: maxText, Field: "Formatted name"},
	{Path: "name.familyName", Traits: rules.Required, Max: maxText, Field: "Last name", Entra: "surname"},
	{Path: "name.givenName", Traits: rules.Required, Max: maxText, Field: "First name", Entra: "givenName"},
	{Path: "name.middleName", Traits: text, Max: maxText, Field: "Middle name"},
	{Path: "name.honorificPrefix", Traits: text, Max: maxText, Field: "Honorific prefix"},
	{Path: "name.honorificSuffix", Traits: text, Max: maxText, Field: "Honorific suffix"},
	{Path: "displayName", Traits: rules.Required, Max: maxText, Field: "Display name", Entra: "displayName"},
	{Path: "nickName", Traits: text, Max: maxText, Field: "Nickname", Entra: "mailNickname"},
	{Path: "profileUrl", Traits: text, Max: maxText, Field: "Profile Url"},
	{Path: "title", Traits: text, Max: maxText, Field: "Title", Entra: "jobTitle"},
	{Path: "userType", Traits: text, Max: maxText, Field: "User type"},
	{Path: "preferredLanguage", Traits: text, Max: maxText, Field: "Preferred language", Entra: "preferredLanguage"},
	{Path: "locale", Traits: text, Max: maxText, Field: "Locale"},
	{Path: "timezone", Traits: text, Max: maxText, Field: "Time zone"},
	{Path: "active", Type: rules.Boolean, Traits: rules.Optional, Entra: "Not([IsSoftDeleted])"},

	{Path: "emails", Type: rules.Complex, Traits: multi, Field: "Primary email", Entra: "mail"},
	{Path: "emails.value", Traits: rules.Vital | rules.Optional, Max: maxText, Field: "Primary email", Entra: "mail"},
	{Path: "emails.type", Traits: text, Max: maxText, Field: "Primary email type"},
	{Path: "emails.primary", Type: rules.Boolean, Traits: rules.Optional},
	{Path: "emails.display", Type: rules.Anything, Traits: rules.Noise},

	{Path: "phoneNumbers", Type: rules.Complex, Traits: multi, Field: "Primary phone", Entra: "telephoneNumber"},
	{Path: "phoneNumbers.value", Traits: rules.Vital | rules.Optional, Max: maxText, Field: "Primary phone", Entra: "telephoneNumber"},
	{Path: "phoneNumbers.type", Traits: text, Max: maxText, Field: "Primary phone type"},
	{Path: "phoneNumbers.primary", Type: rules.Boolean, Traits: rules.Optional},
	{Path: "phoneNumbers.display", Type: rules.Anything, Traits: rules.Noise},

	{Path: "addresses", Type: rules.Complex, Traits: multi, Field: "Street address, City, State, Zip code and Country code"},
	{Path: "addresses.formatted", Traits: text, Max: maxText, Field: "Postal Address"},
	{Path: "addresses.streetAddress", Traits: text, Max: maxText, Field: "Street address", Entra: "streetAddress"},
	{Path: "addresses.locality", Traits: text, Max: maxText, Field: "City", Entra: "city"},
	{Path: "addresses.region", Traits: text, Max: maxText, Field: "State", Entra: "state"},
	{Path: "addresses.postalCode", Traits: text, Max: maxText, Field: "Zip code", Entra: "postalCode"},
	{Path: "addresses.country", Traits: text, Max: maxText, Field: "Country code", Entra: "country"},
	{Path: "addresses.type", Traits: text, Max: maxText, Field: "Address type"},
	{Path: "addresses.primary", Type: rules.Boolean, Traits: rules.Optional},
	{Path: "addresses.display", Type: rules.Anything, Traits: rules.Noise},

	{Path: "roles", Type: rules.Complex, Traits: multi, Field: "Roles"},
	{Path: "roles.value", Traits: rules.Vital | rules.Optional, Max: maxText, Field: "Roles"},
	{Path: "roles.type", Traits: text, Max: maxText},
	{Path: "roles.primary", Type: rules.Boolean, Traits: rules.Optional},
	{Path: "roles.display", Type: rules.Anything, Traits: rules.Noise},

	{Path: "password", Type: rules.Anything, Traits: rules.Noise},
	{Path: "groups", Type: rules.Anything, Traits: rules.Noise},
	{Path: "photos", Type: rules.Anything, Traits: rules.Unsupported},
	{Path: "ims", Type: rules.Anything, Traits: rules.Unsupported},
	{Path: "entitlements", Type: rules.Anything, Traits: rules.Unsupported},
	{Path: "x509Certificates", Type: rules.Anything, Traits: rules.Unsupported},

	{Path: enterprise, Type: rules.Complex, Traits: rules.Optional},
	{Path: enterprise + ":employeeNumber", Traits: text, Max: maxText, Field: "Employee number", Entra: "employeeId"},
	{Path: enterprise + ":costCenter", Traits: text, Max: maxText, Field: "Cost center", Entra: "employeeOrgData.costCenter"},
	{Path: enterprise + ":organization", Traits: text, Max: maxText, Field: "Organization", Entra: "companyName"},
	{Path: enterprise + ":division", Traits: text, Max: maxText, Field: "Division", Entra: "employeeOrgData.division"},
	{Path: enterprise + ":department", Traits: text, Max: maxText, Field: "Department", Entra: "department"},
	{Path: enterprise + ":manager", Type: rules.Complex, Traits: rules.Optional, Field: "ManagerId", Entra: "manager"},
	{Path: enterprise + ":manager.value", Traits: rules.Vital | rules.Optional, Max: maxText, Field: "ManagerId", Entra: "manager"},
	{Path: enterprise + ":manager.$ref", Traits: text, Max: maxText},
	{Path: enterprise + ":manager.displayName", Type: rules.Anything, Traits: rules.Noise},
}

// groups is what AWS accepts of a group (SCIM developer guide, CreateGroup,
// PatchGroup).
var groups = []rules.Attribute{
	{Path: "schemas", Type: rules.Anything},
	{Path: "id", Traits: rules.ReadOnly},
	{Path: "meta", Type: rules.Anything, Traits: rules.Noise},
	{Path: "externalId", Traits: text | rules.Identifier | rules.Unspaced, Max: maxExternalID, Entra: "objectId"},
	{Path: "displayName", Traits: rules.Required | rules.Identifier, Max: maxText, Except: "\u3000", Field: "the group's name", Entra: "displayName"},
	{Path: "members", Type: rules.Complex, Traits: rules.Multi | rules.Selective, Field: "the group's members", Entra: "members"},
	{Path: "members.value", Traits: rules.Required | rules.Vital, Max: 47},
	{Path: "members.$ref", Traits: text, Max: maxText},
	{Path: "members.type", Traits: text, Max: maxText},
	{Path: "members.display", Type: rules.Anything, Traits: rules.Noise},
}

// message is a PATCH request (RFC 7644 §3.5.2).
var message = []rules.Attribute{
	{Path: "schemas", Type: rules.Anything, Traits: rules.Required},
	{Path: "Operations", Type: rules.Complex, Traits: rules.Multi | rules.Required},
	{Path: "Operations.op", Traits: rules.Required},
	{Path: "Operations.path", Traits: rules.Optional},
	{Path: "Operations.value", Type: rules.Anything, Traits: rules.Optional},
}
