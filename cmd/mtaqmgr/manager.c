/* SPDX-License-Identifier: ISC
 * Copyright (c) 2026 The mtakit authors */
/* See manager.h. */
#include "manager.h"

#include "mail/bounce_template.h"
#include "mail/config.h"
#include "mail/route.h"

#include <pwd.h>

#define NOBODY 65534              /* when default_privs names no usable user */

struct manager manager;

void
manager_default_privs(struct config *c)
{
	struct passwd *pw = getpwnam(config_str(c, "default_privs"));
	bool usable = pw && pw->pw_uid && pw->pw_gid;

	manager.default_uid = usable ? pw->pw_uid : NOBODY;
	manager.default_gid = usable ? pw->pw_gid : NOBODY;
}

int
manager_configure(struct config *c, struct buf *err)
{
	struct route_maps *routes = route_open(c, err);
	struct bounce_templates *templates;

	if (!routes)
		return -1;
	if (bounce_templates_read(c, config_str(c, "bounce_template_file"), &templates, err) < 0) {
		route_close(&routes);
		return -1;
	}
	bounce_templates_free(&manager.templates);
	route_close(&manager.routes);
	config_close(&manager.config);
	manager.routes = routes;
	manager.templates = templates;
	manager.config = c;
	manager.active_limit = (size_t)config_int(c, "qmgr_message_active_limit");
	manager.recipient_limit = (size_t)config_int(c, "qmgr_message_recipient_limit");
	manager.recipient_minimum = (size_t)config_int(c, "qmgr_message_recipient_minimum");
	manager.queue_run_delay = config_time(c, "queue_run_delay");
	manager.minimal_backoff = config_time(c, "minimal_backoff_time");
	manager.maximal_backoff = config_time(c, "maximal_backoff_time");
	manager.queue_lifetime = config_time(c, "maximal_queue_lifetime");
	manager.bounce_lifetime = config_time(c, "bounce_queue_lifetime");
	if (manager.bounce_lifetime > manager.queue_lifetime)
		manager.bounce_lifetime = manager.queue_lifetime;
	manager.delay_warning = config_time(c, "delay_warning_time");
	manager.transport_retry = config_time(c, "transport_retry_time");
	manager.fork_attempts = (unsigned)config_int(c, "fork_attempts");
	manager.soft_bounce = config_bool(c, "soft_bounce");
	manager.fork_delay = config_time(c, "fork_delay");
	manager.max_use = config_int(c, "max_use");
	manager.clog_warning = config_time(c, "qmgr_clog_warn_time");
	manager.max_idle = config_time(c, "max_idle");
	if (manager.minimal_backoff < 1)
		manager.minimal_backoff = 1;
	if (manager.maximal_backoff < manager.minimal_backoff)
		manager.maximal_backoff = manager.minimal_backoff;
	manager_default_privs(c);
	return 0;
}
