"""KeepinCRM, a Ukrainian CRM with an API at api.keepincrm.com: so far its faithful fake only."""
