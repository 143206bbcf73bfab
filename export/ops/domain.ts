/** The custom domain: its name and version, and the calls that each of its operations offers. */

export const COMMUNITY_DOMAIN = 'org.attending.community'
export const COMMUNITY_VERSION = 1
