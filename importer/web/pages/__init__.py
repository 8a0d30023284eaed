"""Pages: the handlers, one module a subject; each exports its ROUTES. They parse a form, call what does the work, and answer.

    from importer.web.forms import fields, parts            # await fields(request): a Form; parts(request): an upload
    from importer.web.replies import page, see_other        # page(request, "rows.html", section="new", rows=...)
    from importer.web.rooms import rooms                    # rooms(request).desk, .drafting, .connection, .settings
    from importer.web.route import EVERYONE, Role, Route
    from importer.web.visitor import who                    # who(request).person, .roles, .may(Role.APPROVER)

    ROUTES = (Route("GET", "/runs/{id}", shown, EVERYONE), Route("POST", "/runs/{id}/stop", stopped, frozenset({Role.OPERATOR})))

An ImporterError, or a Refused(status, what, fix), becomes a page or JSON by itself. Paths are percent-decoded in
`request.match_info`. Templates extend base.html; each form has `{{ csrf_field(csrf) }}`.
"""
