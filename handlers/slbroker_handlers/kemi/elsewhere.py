"""What Kamailio 5.6.3 exports to KEMI scripts and cannot work here, by module and by the kind of the result.

The names were asked of a running Kamailio (its RPC command app_python.api_list). They tell a call that has no place in
a worker without transactions from one that is misspelt.
"""

from __future__ import annotations

from typing import Final

# Why a module has no place here, for those that scripts use.
REASONS: Final = {
    "acc": "accounting needs a transaction",
    "app_python3": "call the script's own functions",
    "auth_db": "it reads a database; use KSR.auth.pv_auth_check, or a Python library",
    "dialog": "there are no dialogs",
    "dispatcher": "nothing is forwarded",
    "msilo": "it needs a database",
    "nathelper": "it changes what is forwarded or registered",
    "path": "nothing is forwarded",
    "permissions": "it needs a database or a file of its own",
    "registrar": "there is no location service",
    "rr": "nothing is forwarded, so no route is recorded or followed",
    "rtpengine": "there is no media",
    "rtpproxy": "there is no media",
    "sqlops": "it needs a database; use a Python library",
    "tm": "there are no transactions",
    "tmx": "there are no transactions",
    "uac": "it changes or sends requests",
    "x": "there are no functions of a kamailio.cfg",
    "": "nothing is forwarded, and there are no routes of a kamailio.cfg",
}
NO_REASON: Final = "it has no place in a stateless worker"

# Modules whose functions are not listed, since Debian's does not start without more around it; all answer as failed.
UNLISTED: Final = frozenset((
    "alias_db", "auth_db", "auth_diameter", "auth_identity", "auth_xkeys", "carrierroute", "cnxcc", "cplc",
    "db_redis", "db_text", "dialplan", "dispatcher", "dmq", "dnssec", "domain", "drouting", "erlang", "geoip",
    "geoip2", "group", "gzcompress", "http_async_client", "http_client", "imc", "ims_auth", "ims_charging",
    "ims_dialog", "ims_icscf", "ims_isc", "ims_registrar_pcscf", "ims_registrar_scscf", "kafka", "kazoo", "lcr",
    "ldap", "lost", "matrix", "mohqueue", "mqtt", "msilo", "mtree", "nats", "ndb_mongodb", "ndb_redis", "nsq",
    "p_usrloc", "pdt", "peering", "phonenum", "prefix_route", "presence", "presence_xml", "pua", "pua_reginfo",
    "qos", "rabbitmq", "rls", "rtp_media_server", "secfilter", "siprepo", "siptrace", "slack", "sms", "speeddial",
    "sst", "stirshaken", "stun", "sworker", "tls", "topoh", "topos", "uac_redirect", "uid_auth_db", "userblocklist",
    "usrloc", "websocket", "xcap_client", "xcap_server", "xhttp", "xhttp_pi", "xhttp_prom", "xhttp_rpc", "xmpp",
))  # fmt: skip

# module: {kind of the result: names}
LISTED: Final[dict[str, dict[str, str]]] = {
    "": {
        "bool": "to_IPv4 to_IPv6 to_SCTP to_TCP to_TLS to_UDP to_WS to_WSS to_WSX",
        "int": ("add_tcp_alias add_tcp_alias_via forward forward_uri route set_advertised_address set_advertised_port"),
    },
    "acc": {
        "int": "acc_db_request acc_log_request acc_request",
    },
    "app_python3": {
        "int": "exec exec_p1 execx",
    },
    "avpops": {
        "int": "avp_check avp_copy",
    },
    "call_control": {
        "int": "call_control",
    },
    "cfgutils": {
        "int": (
            "abort check_route_exists core_hash lock pkg_status pkg_summary route_if_exists shm_status "
            "shm_summary trylock unlock"
        ),
    },
    "corex": {
        "int": (
            "file_write send_data sendx set_recv_socket set_recv_socket_name set_send_socket "
            "set_send_socket_name set_source_address via_add_srvid via_add_xavp_params via_use_xavp_fields"
        ),
    },
    "crypto": {
        "int": "aes_decrypt aes_encrypt hmac_sha256",
    },
    "debugger": {
        "int": "dbg_pv_dump dbg_pv_dump_ex",
    },
    "dialog": {
        "int": (
            "dlg_bridge dlg_bye dlg_db_load_callid dlg_db_load_extra dlg_get dlg_isflagset dlg_manage "
            "dlg_reset_property dlg_resetflag dlg_set_property dlg_set_timeout dlg_set_timeout_id dlg_setflag "
            "get_profile_size get_profile_size_static is_in_profile is_in_profile_static is_known_dlg "
            "set_dlg_profile set_dlg_profile_static unset_dlg_profile unset_dlg_profile_static var_is_null "
            "var_rm var_sets"
        ),
        "Xval": "var_get var_gete var_getw",
    },
    "diversion": {
        "int": "add_diversion add_diversion_uri",
    },
    "enum": {
        "int": (
            "enum_i_query_suffix enum_pv_query enum_pv_query_suffix enum_pv_query_suffix_service enum_query "
            "enum_query_suffix enum_query_suffix_service i_enum_query i_enum_query_suffix_service "
            "is_from_user_enum is_from_user_enum_suffix is_from_user_enum_suffix_service"
        ),
    },
    "evapi": {
        "int": "async_multicast async_relay async_unicast close relay relay_multicast relay_unicast set_tag",
    },
    "exec": {
        "int": "exec_avp exec_cmd exec_dset exec_msg",
    },
    "htable": {
        "int": "sht_iterator_rm sht_iterator_setex sht_iterator_seti sht_iterator_sets",
    },
    "ipops": {
        "int": (
            "detailed_ip_type detailed_ipv4_type detailed_ipv6_type dns_int_match_ip dns_query "
            "dns_set_local_ttl dns_sys_match_ip naptr_query srv_query"
        ),
    },
    "jansson": {
        "int": "get",
    },
    "jsonrpcs": {
        "int": "dispatch exec execx",
        "Xval": "response",
    },
    "keepalive": {
        "int": "add_destination del_destination is_alive",
    },
    "kex": {
        "int": "resetdebug setdebug",
    },
    "kx": {
        "int": "get_send_sock_port",
        "Xval": "get_send_sock get_send_sock_name",
    },
    "mediaproxy": {
        "int": "end_media_session engage_media_proxy use_media_proxy",
    },
    "mqueue": {
        "int": "mq_add mq_fetch mq_pv_free mq_size",
        "Xval": "mqk_get mqk_gete mqk_getw mqv_get mqv_gete mqv_getw",
    },
    "msrp": {
        "int": "cmap_lookup cmap_save is_reply is_request relay relay_flags reply reply_flags set_dst",
    },
    "nat_traversal": {
        "int": "client_nat_test fix_contact nat_keepalive",
    },
    "nathelper": {
        "int": (
            "add_contact_alias add_contact_alias_addr add_rcv_param fix_nated_sdp fix_nated_sdp_ip "
            "handle_ruri_alias_mode set_alias_to_pv set_contact_alias_trim"
        ),
    },
    "path": {
        "int": (
            "add_path add_path_received add_path_received_user add_path_received_user_params add_path_user "
            "add_path_user_params"
        ),
    },
    "permissions": {
        "int": "allow_address allow_address_group allow_source_address allow_source_address_group allow_trusted",
    },
    "pipelimit": {
        "int": "pl_active pl_check pl_check_limit pl_drop pl_drop_range pl_drop_retry",
    },
    "pv_headers": {
        "int": (
            "pvh_append_header pvh_apply_headers pvh_check_header pvh_collect_headers pvh_header_param_exists "
            "pvh_modify_header pvh_remove_header pvh_remove_header_param pvh_reset_headers"
        ),
    },
    "pvx": {
        "int": (
            "pv_var_to_xavp pv_xavi_print pv_xavp_print pv_xavp_to_var pv_xavu_print sbranch_append "
            "sbranch_reset sbranch_set_ruri xavi_child_is_null xavi_child_rm xavi_child_seti xavi_child_sets "
            "xavi_is_null xavi_rm xavi_seti xavi_sets xavp_child_is_null xavp_child_rm xavp_child_seti "
            "xavp_child_sets xavp_copy xavp_copy_dst xavp_is_null xavp_params_explode xavp_params_implode "
            "xavp_rm xavp_seti xavp_sets xavp_slist_explode xavu_child_is_null xavu_child_rm xavu_child_seti "
            "xavu_child_sets xavu_is_null xavu_params_explode xavu_params_implode xavu_rm xavu_seti xavu_sets"
        ),
        "Xval": (
            "xavi_child_get xavi_child_gete xavi_child_getw xavi_get xavi_get_keys xavi_getd xavi_getd_p1 "
            "xavi_gete xavi_getw xavp_child_get xavp_child_gete xavp_child_getw xavp_get xavp_get_keys "
            "xavp_getd xavp_getd_p1 xavp_gete xavp_getw xavu_child_get xavu_child_gete xavu_child_getw "
            "xavu_get xavu_gete xavu_getw"
        ),
    },
    "ratelimit": {
        "int": "rl_check rl_check_pipe",
    },
    "regex": {
        "int": "pcre_match_group",
    },
    "registrar": {
        "int": (
            "add_sock_hdr lookup lookup_branches lookup_to_dset lookup_uri reg_fetch_contacts "
            "reg_free_contacts reg_send_reply registered registered_action registered_flags registered_uri "
            "save save_uri set_q_override unregister unregister_ruid"
        ),
    },
    "rr": {
        "int": (
            "add_rr_param check_route_param is_direction loose_route loose_route_mode loose_route_preloaded "
            "next_hop_route record_route record_route_advertised_address record_route_params "
            "record_route_preset record_route_preset_one remove_record_route"
        ),
    },
    "rtjson": {
        "int": "init_routes next_route push_routes update_branch",
    },
    "rtpengine": {
        "int": (
            "block_dtmf block_dtmf0 block_media block_media0 play_media rtpengine_answer rtpengine_answer0 "
            "rtpengine_delete rtpengine_delete0 rtpengine_manage rtpengine_manage0 rtpengine_offer "
            "rtpengine_offer0 rtpengine_query rtpengine_query0 rtpengine_query_v set_rtpengine_set "
            "set_rtpengine_set2 silence_media silence_media0 start_recording stop_media stop_media0 "
            "stop_recording unblock_dtmf unblock_dtmf0 unblock_media unblock_media0 unsilence_media "
            "unsilence_media0"
        ),
    },
    "rtpproxy": {
        "int": (
            "rtpproxy_answer rtpproxy_answer0 rtpproxy_answer_ip rtpproxy_destroy rtpproxy_destroy0 "
            "rtpproxy_manage rtpproxy_manage0 rtpproxy_manage_ip rtpproxy_offer rtpproxy_offer0 "
            "rtpproxy_offer_ip rtpproxy_stop_stream2uac rtpproxy_stop_stream2uas rtpproxy_stream2uac "
            "rtpproxy_stream2uas set_rtpproxy_set start_recording"
        ),
    },
    "sdpops": {
        "int": (
            "keep_codecs_by_id keep_codecs_by_name remove_codecs_by_id remove_codecs_by_name "
            "remove_line_by_prefix remove_media sdp_content sdp_content_flags sdp_get sdp_get_line_startswith "
            "sdp_print sdp_transport sdp_with_active_media sdp_with_codecs_by_id sdp_with_codecs_by_name "
            "sdp_with_ice sdp_with_media sdp_with_transport sdp_with_transport_like"
        ),
    },
    "sipdump": {
        "int": "send",
        "Xval": "get_buf get_dst_ip get_src_ip get_tag",
    },
    "sipjson": {
        "int": "sj_serialize",
    },
    "siputils": {
        "int": (
            "contact_param_decode contact_param_decode_ruri contact_param_encode contact_param_rm "
            "decode_contact decode_contact_header encode_contact hdr_date_check"
        ),
    },
    "sqlops": {
        "int": (
            "sql_is_null sql_num_columns sql_num_rows sql_pvquery sql_query sql_query_async sql_result_free sql_xquery"
        ),
        "Xval": "sql_result_get sql_result_gete sql_result_getz",
    },
    "ss7ops": {
        "int": "isup_to_json",
    },
    "statsc": {
        "int": "statsc_reset",
    },
    "statsd": {
        "int": "statsd_decr statsd_gauge statsd_histogram statsd_incr statsd_set statsd_start statsd_stop",
    },
    "tcpops": {
        "int": (
            "tcp_close_connection tcp_close_connection_id tcp_conid_alive tcp_conid_state "
            "tcp_enable_closed_event tcp_enable_closed_event_cid tcp_keepalive_disable "
            "tcp_keepalive_disable_cid tcp_keepalive_enable tcp_keepalive_enable_cid "
            "tcp_set_connection_lifetime tcp_set_connection_lifetime_cid tcp_set_otcpid tcp_set_otcpid_flag"
        ),
    },
    "textops": {
        "int": (
            "append_body_part append_body_part_cd append_body_part_hex append_body_part_hex_cd filter_body "
            "get_body_part get_body_part_raw regex_substring remove_body_part remove_hf_idx "
            "set_body_multipart set_body_multipart_boundary set_body_multipart_content "
            "set_body_multipart_mode"
        ),
    },
    "textopsx": {
        "int": (
            "assign_hf_value assign_hf_value2 bl_iterator_append bl_iterator_end bl_iterator_insert "
            "bl_iterator_next bl_iterator_rm bl_iterator_start hf_iterator_append hf_iterator_insert "
            "hf_iterator_rm keep_hf keep_hf_re msg_set_buffer remove_hf_value remove_hf_value2"
        ),
        "Xval": "bl_iterator_value",
    },
    "tm": {
        "int": (
            "ki_t_load_contacts_mode t_any_replied t_any_timeout t_branch_replied t_branch_timeout "
            "t_check_status t_check_trans t_clean t_drop_replies t_drop_replies_all t_get_branch_index "
            "t_get_status_code t_grep_status t_is_canceled t_is_expired t_is_retr_async_reply t_is_set "
            "t_load_contacts t_lookup_cancel t_lookup_cancel_flags t_lookup_request t_newtran "
            "t_next_contact_flow t_next_contacts t_on_branch t_on_branch_failure t_on_failure t_on_reply "
            "t_relay t_relay_to_flags t_relay_to_proto t_relay_to_proto_addr t_relay_to_proxy "
            "t_relay_to_proxy_flags t_release t_replicate t_reply t_reset_fr t_reset_max_lifetime "
            "t_reset_retr t_retransmit_reply t_save_lumps t_send_reply t_set_auto_inv_100 t_set_disable_6xx "
            "t_set_disable_failover t_set_disable_internal_reply t_set_fr t_set_fr_inv t_set_max_lifetime "
            "t_set_no_e2e_cancel_reason t_set_retr t_uac_send t_use_uac_headers"
        ),
    },
    "tmrec": {
        "int": ("is_leap_year is_leap_year_now match match_timestamp time_period_match time_period_match_timestamp"),
    },
    "tmx": {
        "int": (
            "t_cancel_branches t_cancel_callid t_cancel_callid_reason t_continue t_drop t_drop_rcode "
            "t_flush_flags t_flush_xflags t_is_branch_route t_is_failure_route t_is_reply_route "
            "t_is_request_route t_precheck_trans t_reply_callid t_reuse_branch t_suspend"
        ),
    },
    "tsilo": {
        "int": (
            "ts_append ts_append_by_contact ts_append_by_contact_uri ts_append_to ts_append_to_uri ts_store "
            "ts_store_uri"
        ),
    },
    "uac": {
        "int": (
            "uac_auth uac_auth_mode uac_reg_disable uac_reg_enable uac_reg_lookup uac_reg_lookup_uri "
            "uac_reg_refresh uac_reg_request_to uac_reg_status uac_replace_from uac_replace_from_uri "
            "uac_replace_to uac_replace_to_uri uac_req_send uac_restore_from uac_restore_to"
        ),
    },
    "x": {
        "int": "modf",
    },
}


def is_known_module(name: str) -> bool:
    """Return whether Kamailio has such a module that cannot work here, or cannot in parts."""
    return name in LISTED or name in UNLISTED


def result_of(module: str, name: str) -> str | None:
    """Return the kind of result of a function that cannot work here; None when Kamailio has none called so."""
    if module in UNLISTED:
        return "int"
    return next((kind for kind, names in LISTED.get(module, {}).items() if name in names.split()), None)


def reason_for(module: str) -> str:
    """Return why a module's function cannot work here."""
    return REASONS.get(module, NO_REASON)
